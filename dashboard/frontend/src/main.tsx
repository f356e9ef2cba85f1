import "@mantine/core/styles.css";
import "./main.css";
import { Alert, createTheme, MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ApiError } from "./lib/api/errors";
import { carryNonce } from "./lib/csp";

carryNonce();

/** Quiet grounds (main.css) in place of the theme's own, which shout in the dark. */
const TONES: Record<string, [ground: string, text: string]> = {
  red: ["alarm", "bad"],
  yellow: ["notice", "warn"],
  orange: ["notice", "warn"],
  teal: ["fine", "good"],
  gray: ["well", "idle"],
};

const theme = createTheme({
  // Cooler than the library's greys; the steps between page, cards and edges are its own.
  colors: {
    dark: [
      "#d3d8dd",
      "#b6bdc4",
      "#858d95",
      "#5d656d",
      "#343b42",
      "#2a3036",
      "#1d2226",
      "#16191d",
      "#101316",
      "#0b0d0f",
    ],
  },
  primaryColor: "teal",
  // The lightest shade on which white text, and that on white, has a contrast of 4.5:1.
  primaryShade: 9,
  fontFamily: "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'JetBrains Mono', Menlo, Consolas, monospace",
  defaultRadius: "md",
  cursorType: "pointer",
  components: {
    Alert: Alert.extend({
      vars: (_, { color = "" }) => {
        const [ground, text] = TONES[color] ?? ["news", "busy"];
        return {
          root: {
            "--alert-bg": `var(--${ground})`,
            "--alert-bd": `1px solid var(--${ground === "well" ? "mantine-color-default-border" : `${ground}-edge`})`,
            "--alert-color": `var(--${text})`,
          },
        };
      },
    }),
  },
});

const queries = new QueryClient({
  defaultOptions: { queries: { retry: (count, error) => !(error instanceof ApiError) && count < 5 } },
});

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
