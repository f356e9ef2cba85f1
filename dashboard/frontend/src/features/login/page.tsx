import {
  Alert,
  Button,
  Center,
  Code,
  Group,
  Paper,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconSailboat } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useTitle } from "../../components/hooks";
import * as sessions from "../../lib/api/session";
import { messages } from "../../lib/messages";

export function LoginPage() {
  useTitle(messages.login.title);
  return (
    <Center component="main" mih="100vh" p="md" className="login">
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={400}>
        <LoginForm lead={messages.login.lead} user="admin" />
      </Paper>
    </Center>
  );
}

export function LoginForm({ lead, user }: { lead: string; user: string }) {
  const queries = useQueryClient();
  const login = useMutation({
    mutationFn: (form: FormData) =>
      sessions.login(String(form.get("username")), String(form.get("password"))),
    onSuccess: (session) => queries.setQueryData(["session"], session),
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    login.mutate(new FormData(event.currentTarget));
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Group gap="sm">
          <IconSailboat size={32} aria-hidden color="var(--mantine-primary-color-filled)" />
          <Title order={1} size="h2">
            {messages.product}
          </Title>
        </Group>
        <Text size="sm" c="dimmed">
          {lead.split("`").map((part, index) => (index % 2 ? <Code key={part}>{part}</Code> : part))}
        </Text>
        {login.error && (
          <Alert color="red" role="alert">
            {login.error.message}
          </Alert>
        )}
        <TextInput
          name="username"
          label={messages.login.username}
          defaultValue={user}
          autoComplete="username"
          required
        />
        <PasswordInput
          name="password"
          label={messages.login.password}
          autoComplete="current-password"
          required
          data-autofocus
          autoFocus
        />
        <Button type="submit" loading={login.isPending}>
          {messages.login.submit}
        </Button>
      </Stack>
    </form>
  );
}
