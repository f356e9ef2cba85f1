/** The frame of every page: breadcrumb, title with its state, actions on the right. */
import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { useTitle } from "./hooks";

export interface Crumb {
  text: string;
  to: string;
}

interface Props {
  title: string;
  crumbs?: readonly Crumb[];
  status?: ReactNode;
  subtitle?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, crumbs = [], status, subtitle, actions, children }: Props) {
  useTitle(title);
  return (
    <Stack gap="md" className="page">
      <Stack gap={4}>
        {crumbs.length > 0 && (
          <nav aria-label="Breadcrumb">
            <Breadcrumbs separatorMargin={6}>
              {crumbs.map(({ text, to }) => (
                <Anchor key={to} component={Link} href={to} size="sm">
                  {text}
                </Anchor>
              ))}
            </Breadcrumbs>
          </nav>
        )}
        <div className="page-head">
          <Group gap="sm" className="page-title">
            <Title order={1} size="h3" className="breakable" tabIndex={-1}>
              {title}
            </Title>
            {status}
          </Group>
          {actions && (
            <Group gap="xs" className="page-actions">
              {actions}
            </Group>
          )}
          {subtitle && (
            <Text size="sm" c="dimmed" component="div" className="page-subtitle">
              {subtitle}
            </Text>
          )}
        </div>
      </Stack>
      {children}
    </Stack>
  );
}
