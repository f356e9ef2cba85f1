import { List, Text } from "@mantine/core";
import { ApiError } from "../lib/api/errors";

/** A failure in the server's words, with each field that it names. */
export function ErrorText({ error }: { error: Error }) {
  const causes = error instanceof ApiError ? error.causes.filter(({ field }) => field) : [];
  return (
    <>
      <Text size="sm" className="breakable">
        {causes.length > 1 ? error.message.replace(/: \[[\s\S]*$/, ":") : error.message}
      </Text>
      {causes.length > 1 && (
        <List size="sm" className="breakable">
          {causes.map(({ field, message }) => (
            <List.Item key={`${field}${message}`}>
              <span className="mono">{field}</span>: {message}
            </List.Item>
          ))}
        </List>
      )}
    </>
  );
}
