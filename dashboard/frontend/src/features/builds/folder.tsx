/** The folder that is sent: chosen, or dropped on the page. */
import { Button, FileButton, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconFolderOpen } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type DragEvent, useState } from "react";
import { Panel } from "../../components/panel";
import { type Context, contextOf, type Folder, folderOf } from "../../lib/builds/context";
import { entriesOf, foldersOf } from "../../lib/builds/drop";
import { formatBytes } from "../../lib/format/quantity";
import { messages } from "../../lib/messages";

const text = messages.builds;

interface Props {
  folder: Folder | null;
  onFolder: (folder: Folder | null) => void;
  path: string;
  onPath: (path: string) => void;
  problem: string;
  context: Context | undefined;
}

export function FolderFields({ folder, onFolder, path, onPath, problem, context }: Props) {
  const { isOver, failed, handlers } = useDrop(onFolder);
  return (
    <div {...handlers} className="drop" data-over={isOver || undefined} data-testid="drop">
      <Panel title={text.fromFolder}>
        <Stack gap="sm">
          <Group>
            <FileButton
              multiple
              onChange={(files) => onFolder(folderOf(files))}
              inputProps={{ webkitdirectory: "", "aria-label": text.chooseFolder } as object}
            >
              {(props) => (
                <Button {...props} variant="default" leftSection={<IconFolderOpen size={16} aria-hidden />}>
                  {text.chooseFolder}
                </Button>
              )}
            </FileButton>
            <Text size="sm" c="dimmed">
              {isOver ? text.dropHere : text.dropFolder}
            </Text>
            {folder && context && (
              <Text size="sm" role="status">
                {text.folder(folder.name, context.sent, context.ignored)} · {formatBytes(context.bytes)}
              </Text>
            )}
          </Group>
          {failed && (
            <Text size="sm" c="red" role="alert">
              {text.unreadable}
            </Text>
          )}
          <TextInput
            label={text.dockerfilePath}
            value={path}
            onChange={(event) => onPath(event.currentTarget.value)}
            error={folder ? problem : false}
            maw={420}
            required
          />
          <Text size="xs" c="dimmed">
            {!folder && problem ? `${problem} ` : ""}
            {text.modes}
          </Text>
        </Stack>
      </Panel>
    </div>
  );
}

function useDrop(onFolder: Props["onFolder"]) {
  const [isOver, setOver] = useState(false);
  const [failed, setFailed] = useState(false);
  const hold = (event: DragEvent, over: boolean) => {
    event.preventDefault();
    setOver(over);
  };
  const drop = (event: DragEvent) => {
    hold(event, false);
    setFailed(false);
    foldersOf(entriesOf(event.dataTransfer)).then(onFolder, () => setFailed(true));
  };
  return {
    isOver,
    failed,
    handlers: {
      onDragOver: (event: DragEvent) => hold(event, true),
      onDragLeave: (event: DragEvent) => hold(event, false),
      onDrop: drop,
    },
  };
}

export function useContextOf(folder: Folder | null, dockerfile: string): Context | undefined {
  const { data } = useQuery({
    queryKey: ["context", folder?.name, folder?.files.size, dockerfile],
    queryFn: () => (folder ? contextOf(folder, dockerfile) : null),
    enabled: folder !== null,
    gcTime: 0,
    staleTime: 0,
  });
  return data ?? undefined;
}
