/** Stores a build, sends its files, and leads to its page. What was stored is not stored again after a stop. */
import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import * as objects from "../../lib/api/objects";
import { buildOf, type Typed } from "../../lib/builds/form";
import { type Progress as Sent, upload } from "../../lib/builds/upload";
import { Build } from "../../lib/kinds/build";
import * as links from "../../lib/links";

export function useBuilding(namespace: string, onDone: () => void) {
  const [, navigate] = useLocation();
  const [error, setError] = useState<Error | null>(null);
  const [sent, setSent] = useState<Sent | null>(null);
  const [isBusy, setBusy] = useState(false);
  const aborting = useRef<AbortController>(undefined);
  useEffect(() => () => aborting.current?.abort(), []);
  const start = async (typed: Typed, tar: Parameters<typeof upload>[1] | null) => {
    const abort = new AbortController();
    aborting.current = abort;
    const key = { kind: Build.info, namespace, name: typed.name };
    setBusy(true);
    setError(null);
    setSent(null);
    try {
      await objects.create(Build.info, namespace, buildOf(typed, namespace));
      if (typed.source === "folder" && tar) {
        await upload(key, tar, abort.signal, setSent).catch(async (failure: unknown) => {
          await objects.remove(key).catch(() => {}); // it would wait for files that do not come
          throw failure;
        });
      }
      onDone();
      navigate(links.object(Build.info, namespace, typed.name));
    } catch (failure) {
      if (abort.signal.aborted) setSent(null);
      else setError(failure as Error);
    } finally {
      setBusy(false);
    }
  };
  return {
    start,
    stop: () => aborting.current?.abort(),
    forgetError: () => setError(null),
    error,
    sent,
    isBusy,
  };
}
