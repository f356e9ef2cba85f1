/** The frame around every page: navigation, namespace, search, theme, account, and word of a lost connection. */
import {
  ActionIcon,
  Alert,
  AppShell,
  Burger,
  Button,
  Group,
  Menu,
  Text,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconClock,
  IconKeyboard,
  IconLogout,
  IconMoon,
  IconPlugConnectedX,
  IconSailboat,
  IconSearch,
  IconSun,
  IconUser,
} from "@tabler/icons-react";
import { type ReactNode, useEffect, useMemo } from "react";
import { Link, useLocation } from "wouter";
import { messages } from "../lib/messages";
import { prefer, preferences } from "../lib/preferences";
import { useConnection } from "../lib/watch/hooks";
import { usePageFocus } from "./focus";
import { usePreferences, useSingleKey } from "./hooks";
import { KeyboardHelp } from "./keyboardHelp";
import { lazy } from "./lazy";
import { Boundary } from "./states";
import { Navigation } from "./navigation";
import { NamespaceSelect } from "./namespaceSelect";

const Palette = lazy(() => import("../features/palette/palette").then((m) => ({ default: m.Palette })), null);

interface Props {
  user: string;
  onLeave: () => void;
  children: ReactNode;
}

export function Shell({ user, onLeave, children }: Props) {
  const [menu, { toggle, close: closeMenu }] = useDisclosure(false);
  const [palette, { open: openPalette, close: closePalette }] = useDisclosure(false);
  const [address] = useLocation();
  const { dark, toggleTheme } = useTheme();
  const [help, { open: openHelp, close: closeHelp }] = useDisclosure(false);
  useHotkeys([["mod+K", openPalette]], []);
  useSingleKey("shift+?", openHelp);
  const { clockTimes } = usePreferences();
  useEffect(closeMenu, [address]);
  usePageFocus(address);
  const actions = useMemo(
    () => [
      { title: messages.theme, run: toggleTheme },
      { title: clockTimes ? messages.ages : messages.clockTimes, run: turnTimes },
      { title: messages.keyboard.title, run: openHelp },
      { title: messages.login.logout, run: onLeave },
    ],
    [toggleTheme, clockTimes, onLeave, openHelp],
  );
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 216, breakpoint: "md", collapsed: { mobile: !menu } }}
      padding={{ base: "sm", sm: "md" }}
    >
      <a href="#content" className="skip">
        {messages.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px={{ base: "sm", sm: "md" }} gap="sm" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" className="header-left">
            <Burger opened={menu} onClick={toggle} hiddenFrom="md" size="sm" aria-label={messages.menu} />
            <Link href="/" className="brand" aria-label={messages.product}>
              <IconSailboat aria-hidden color="var(--mantine-primary-color-filled)" />
              <Text fw={700} size="lg" visibleFrom="sm">
                {messages.product}
              </Text>
            </Link>
            <NamespaceSelect />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <SearchButton onClick={openPalette} />
            <ActionIcon variant="default" size={34} aria-label={messages.theme} onClick={toggleTheme}>
              {dark ? <IconSun size={16} /> : <IconMoon size={16} />}
            </ActionIcon>
            <Account user={user} onHelp={openHelp} onLeave={onLeave} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label={messages.navigation} className="navigation">
        <Navigation />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <ConnectionNotice />
        <Boundary resetKey={address}>{children}</Boundary>
      </AppShell.Main>
      {help && <KeyboardHelp onClose={closeHelp} />}
      {palette && <Palette actions={actions} onClose={closePalette} />}
    </AppShell>
  );
}

function useTheme() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  return useMemo(
    () => ({ dark, toggleTheme: () => setColorScheme(dark ? "light" : "dark") }),
    [dark, setColorScheme],
  );
}

function SearchButton({ onClick }: { onClick: () => void }) {
  return (
    <UnstyledButton onClick={onClick} className="search-button">
      <IconSearch size={16} aria-hidden />
      <span className="search-text">{messages.palette.title}</span>
      <kbd aria-hidden>{messages.palette.hint}</kbd>
    </UnstyledButton>
  );
}

function turnTimes(): void {
  prefer({ clockTimes: !preferences().clockTimes });
}

interface AccountProps {
  user: string;
  onHelp: () => void;
  onLeave: () => void;
}

function Account({ user, onHelp, onLeave }: AccountProps) {
  const { clockTimes } = usePreferences();
  return (
    <Menu position="bottom-end" returnFocus>
      <Menu.Target>
        <Button
          variant="default"
          size="xs"
          h={34}
          px="xs"
          leftSection={<IconUser size={16} aria-hidden />}
          className="account"
          aria-label={`${messages.account}: ${user}`}
        >
          <span className="account-name">{user}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconClock size={14} aria-hidden />} onClick={turnTimes}>
          {clockTimes ? messages.ages : messages.clockTimes}
        </Menu.Item>
        <Menu.Item leftSection={<IconKeyboard size={14} aria-hidden />} onClick={onHelp}>
          {messages.keyboard.title}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={14} aria-hidden />} onClick={onLeave}>
          {messages.login.logout}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
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
