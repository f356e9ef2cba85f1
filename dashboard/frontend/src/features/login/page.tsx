import { Alert, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { useTitle } from "../../components/hooks";
import * as sessions from "../../lib/api/session";
import { messages } from "../../lib/messages";

export function LoginPage() {
  useTitle(messages.login.title);
  return (
    <Center component="main" mih="100vh" p="md">
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
        <Title order={1} size="h2">
          {messages.product}
        </Title>
        <Text size="sm" c="dimmed">
          {lead}
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
