/** State that stands in the page's address, and what belongs to the whole page. */
import { useHotkeys, useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useSyncExternalStore } from "react";
import { useLocation, useSearchParams } from "wouter";
import * as discovery from "../lib/api/discovery";
import { builtIn, type Registry } from "../lib/kinds/registry";
import { schemas } from "../lib/schema/openapi";
import { messages } from "../lib/messages";
import * as preferences from "../lib/preferences";
import type { Preferences } from "../lib/preferences";

/**
 * A word in the query of the address: what is shared by sending the link. Empty takes it out. Several may be set one
 * after the other: each starts from the address as it is then.
 */
export function useParameter(name: string): [string, (value: string) => void] {
  const [parameters] = useSearchParams();
  const [, navigate] = useLocation();
  const set = useCallback(
    (value: string) => {
      const after = new URLSearchParams(window.location.search);
      if (value) after.set(name, value);
      else after.delete(name);
      const query = after.toString();
      navigate(window.location.pathname + (query ? `?${query}` : ""), { replace: true });
    },
    [name, navigate],
  );
  return [parameters.get(name) ?? "", set];
}

/** The namespace that lists show; empty for all. The address has it once it is chosen; otherwise it is the one chosen last. */
export function useNamespace(): [string, (namespace: string) => void] {
  const [linked, setLinked] = useParameter("namespace");
  const [kept, setKept] = useLocalStorage({
    key: "slipway-namespace",
    defaultValue: "",
    getInitialValueInEffect: false,
  });
  const set = (namespace: string) => {
    setKept(namespace);
    setLinked(namespace);
  };
  return [linked || kept, set];
}

const RegistryContext = createContext<Registry>(builtIn);
export const RegistryProvider = RegistryContext.Provider;

/** Every kind: those the page knows, and what the cluster serves beside them. */
export function useRegistry(): Registry {
  return useContext(RegistryContext);
}

/** Asks the cluster now and then, as custom resources come and go. `isComplete`: it has answered. */
export function useDiscoveredRegistry(): { registry: Registry; isComplete: boolean } {
  const { data, isError } = useQuery({
    queryKey: ["discovery"],
    queryFn: ({ signal }) => discovery.kinds(signal),
    refetchInterval: 60_000,
  });
  useEffect(() => schemas.forget(), [data]);
  const registry = useMemo(() => (data ? builtIn.extended(data) : builtIn), [data]);
  return { registry, isComplete: data !== undefined || isError };
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(preferences.subscribe, preferences.preferences);
}

/** A key that acts by itself: not while something is typed, and not for who has turned them off. */
export function useSingleKey(key: string, act: () => void): void {
  const { singleKeys } = usePreferences();
  useHotkeys(singleKeys ? [[key, act]] : []);
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${messages.product}` : messages.product;
  }, [title]);
}
