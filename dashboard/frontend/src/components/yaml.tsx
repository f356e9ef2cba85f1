/** An object as YAML, to read and to copy. Drawn as text: nothing in it can become markup. */
import { Code, Group } from "@mantine/core";
import { useEffect, useState } from "react";
import { CopyButton } from "./copyButton";
import { Loading } from "./states";

/** The library is loaded when it is first needed. */
export async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

export function useYaml(value: unknown): string | null {
  const [text, setText] = useState<string | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void toYaml(value).then((made) => isCurrent && setText(made));
    return () => {
      isCurrent = false;
    };
  }, [value]);
  return text;
}

export function Yaml({ of, label = "YAML" }: { of: unknown; label?: string }) {
  const text = useYaml(of);
  if (text === null) return <Loading />;
  return (
    <div className="yaml">
      <Group className="yaml-copy">
        <CopyButton text={text} />
      </Group>
      <Code block tabIndex={0} aria-label={label} role="region">
        {text}
      </Code>
    </div>
  );
}
