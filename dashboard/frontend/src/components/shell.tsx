import {
  ActionIcon,
  Alert,
  AppShell,
  Button,
  Group,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { IconMoon, IconPlugConnectedX, IconSailboat, IconSun } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { messages } from "../lib/messages";
import * as sessions from "../lib/session";
import { useConnection } from "../lib/watch/useWatch";

export function Shell({ user, children }: { user: string; children: ReactNode }) {
  const queries = useQueryClient();
  const leave = async () => {
    await sessions.logout();
    // Signing in again needs a fresh CSRF token, which the question for the session brings.
    await queries.resetQueries({ queryKey: ["session"] });
  };
  return (
    <AppShell header={{ height: 56 }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Link href="/" style={{ textDecoration: "none", color: "inherit" }}>
            <Group gap="xs" wrap="nowrap">
              <IconSailboat aria-hidden color="var(--mantine-primary-color-filled)" />
              <Text fw={700} size="lg">
                {messages.product}
              </Text>
            </Group>
          </Link>
          <Group gap="xs" wrap="nowrap">
            <ThemeSwitch />
            <Text size="sm" c="dimmed" visibleFrom="xs">
              {user}
            </Text>
            <Button variant="default" size="xs" onClick={leave}>
              {messages.login.logout}
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Main>
        <ConnectionNotice />
        {children}
      </AppShell.Main>
    </AppShell>
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <ActionIcon
      variant="default"
      size="md"
      aria-label={messages.theme}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <IconSun size={16} /> : <IconMoon size={16} />}
    </ActionIcon>
  );
}

function ConnectionNotice() {
  const state = useConnection();
  if (state !== "lost") return null;
  return (
    <Alert color="orange" icon={<IconPlugConnectedX />} mb="md" role="status">
      {messages.connection.lost}
    </Alert>
  );
}
