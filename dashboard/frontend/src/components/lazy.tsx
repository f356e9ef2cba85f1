/**
 * A component whose file is fetched when it is first drawn, and again when it could not be loaded.
 *
 * Not React's own `lazy`: what has suspended stays hidden for 300 ms, also where the file is here within ten, and each page,
 * tab and panel would wait for it. What is here already is drawn at once.
 */
import { type ComponentProps, type ComponentType, type ReactNode, useEffect, useState } from "react";
import { persistently } from "../lib/load";
import { Loading } from "./states";

export function lazy<C extends ComponentType<any>>(
  load: () => Promise<{ default: C }>,
  meanwhile: ReactNode = <Loading />,
): ComponentType<ComponentProps<C>> {
  let loaded: C | undefined;
  let loading: Promise<void> | undefined;
  const begin = () =>
    (loading ??= persistently(load)
      .then((file) => void (loaded = file.default))
      .finally(() => (loading = undefined)));
  return function Lazy(props: ComponentProps<C>) {
    const [View, show] = useState(() => loaded);
    const [failure, fail] = useState<{ error: unknown } | null>(null);
    useEffect(() => {
      if (View) return;
      let isHere = true;
      begin().then(
        () => isHere && show(() => loaded),
        (error: unknown) => isHere && fail({ error }),
      );
      return () => void (isHere = false);
    }, [View]);
    if (failure) throw failure.error;
    return View ? <View {...props} /> : meanwhile;
  };
}
