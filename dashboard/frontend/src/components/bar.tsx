/** How much of something there is: a name, a bar, and the numbers. */
import { Group, Progress, Text } from "@mantine/core";
import "./bar.css";

interface Props {
  title: string;
  /** The numbers, in words. */
  told: string;
  /** From 0 to 1; more is drawn as 1. */
  share: number;
  color: string;
  /** A place on the bar that matters. */
  mark?: number;
}

export function Bar({ title, told, share, color, mark }: Props) {
  return (
    <div>
      <Group justify="space-between">
        <Text size="sm" className="breakable">
          {title}
        </Text>
        <Text size="sm" c="dimmed" className="number">
          {told}
        </Text>
      </Group>
      <div className="bar">
        <Progress
          size="sm"
          value={100 * Math.max(0, Math.min(1, share))}
          color={color}
          aria-label={`${title}: ${told}`}
        />
        {mark !== undefined && <span className="bar-mark" style={{ left: `${100 * mark}%` }} aria-hidden />}
      </div>
    </div>
  );
}
