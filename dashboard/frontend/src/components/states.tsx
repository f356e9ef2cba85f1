/** What a page shows when it has nothing to show (yet): loading, empty, failed. Each helps on. */
import { Alert, Button, Center, Code, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconLock } from "@tabler/icons-react";
import { Component, type ReactNode } from "react";
import { messages } from "../lib/messages";

export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap="xs" role="status" aria-label={messages.loading} aria-busy>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={28} radius="sm" />
      ))}
    </Stack>
  );
}

export function Empty({
  text,
  hint,
  command,
  children,
}: {
  text: string;
  hint?: string;
  command?: string;
  children?: ReactNode;
}) {
  return (
    <Center py={48} px="md">
      <Stack gap="xs" align="center">
        <Text fw={500} ta="center">
          {text}
        </Text>
        {hint && (
          <Text size="sm" c="dimmed" ta="center">
            {hint}
          </Text>
        )}
        {command && <Code block>{command}</Code>}
        {children}
      </Stack>
    </Center>
  );
}

interface Failure {
  message?: string;
  code?: number;
}

export function Failed({ error, onRetry }: { error: Failure; onRetry?: () => void }) {
  const isForbidden = error.code === 403;
  return (
    <Alert
      color={isForbidden ? "yellow" : "red"}
      icon={isForbidden ? <IconLock /> : <IconAlertTriangle />}
      title={isForbidden ? messages.errors.forbidden : messages.errors.title}
      role="alert"
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{error.message}</Text>
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            {messages.retry}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** A mistake of ours in one page leaves the rest standing. `resetKey`: a new one tries again. */
export class Boundary extends Component<{ resetKey: string; children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidUpdate(before: { resetKey: string }) {
    if (before.resetKey !== this.props.resetKey && this.state.error) this.setState({ error: null });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Alert color="red" title={messages.errors.crashed} role="alert">
        <Text size="sm">{messages.errors.crashedHint}</Text>
        <Code block mt="xs">
          {error.message}
        </Code>
      </Alert>
    );
  }
}
