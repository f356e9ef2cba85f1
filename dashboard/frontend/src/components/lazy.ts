/** React's `lazy` that asks again for what could not be loaded. */
import { lazy as lazyOnce } from "react";
import { persistently } from "../lib/load";

export const lazy: typeof lazyOnce = (load) => lazyOnce(() => persistently(load));
