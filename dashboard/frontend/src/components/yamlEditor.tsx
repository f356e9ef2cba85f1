/** A YAML editor that knows the server's schemas: completion, marks at what is wrong, and the server's own refusals. */
import {
  acceptCompletion,
  autocompletion,
  type CompletionContext,
  type CompletionResult,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { type Diagnostic, linter, lintGutter, lintKeymap } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, StateEffect } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder,
  type ViewUpdate,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { KnownKind } from "../lib/schema/complete";
import { offers } from "../lib/schema/complete";
import { lint, type Problem } from "../lib/schema/lint";
import { schemas } from "../lib/schema/openapi";
import { placeAt } from "../lib/schema/place";

interface Props {
  value: string;
  onChange?: (value: string) => void;
  label: string;
  kinds?: readonly KnownKind[];
  /** What the server has refused, at its places in the text. */
  refusals?: readonly Problem[];
  hint?: string;
  readOnly?: boolean;
}

/** The server has answered: its refusals are marks too. */
const lintAnew = StateEffect.define<null>();
const isAsked = ({ transactions }: ViewUpdate) =>
  transactions.some(({ effects }) => effects.some((effect) => effect.is(lintAnew)));

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--code-key)" },
  { tag: [tags.string, tags.content], color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--code-value)" },
  { tag: [tags.comment, tags.meta], color: "var(--mantine-color-dimmed)" },
]);

export function YamlEditor({ value, onChange, label, kinds, refusals, hint, readOnly = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const latest = useRef({ onChange, kinds: kinds ?? [], refusals: refusals ?? [] });
  latest.current = { onChange, kinds: kinds ?? [], refusals: refusals ?? [] };
  useEffect(() => {
    const made = new EditorView({
      parent: place.current as HTMLDivElement,
      state: EditorState.create({ doc: value, extensions: extensions() }),
    });
    view.current = made;
    return () => made.destroy();
    // Made once; a new value comes in below.
  }, []);
  useEffect(() => {
    const current = view.current;
    if (!current || current.state.doc.toString() === value) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
  }, [value]);
  useEffect(() => {
    if (refusals) view.current?.dispatch({ effects: lintAnew.of(null) });
  }, [refusals]);

  function extensions() {
    const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.nonce;
    return [
      ...(nonce ? [EditorView.cspNonce.of(nonce)] : []),
      lineNumbers(),
      foldGutter(),
      drawSelection(),
      bracketMatching(),
      indentOnInput(),
      indentUnit.of("  "),
      highlightSelectionMatches(),
      history(),
      yaml(),
      syntaxHighlighting(colours),
      ...(hint ? [placeholder(hint)] : []),
      EditorState.readOnly.of(readOnly),
      EditorView.editable.of(!readOnly),
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
      EditorView.lineWrapping,
      EditorView.updateListener.of((update) => {
        if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
      }),
      ...(readOnly
        ? []
        : [
            highlightActiveLine(),
            autocompletion({ override: [complete], icons: false }),
            lintGutter(),
            linter(check, { delay: 300, needsRefresh: isAsked }),
          ]),
      keymap.of([
        { key: "Tab", run: acceptCompletion },
        ...defaultKeymap,
        ...historyKeymap,
        ...searchKeymap,
        ...foldKeymap,
        ...lintKeymap,
      ]),
    ];
  }

  async function check(editor: EditorView): Promise<Diagnostic[]> {
    const text = editor.state.doc.toString();
    const found = await lint(text, (apiVersion, kind) => schemas.of(apiVersion, kind));
    const inside = (problem: Problem) => problem.to <= text.length;
    return [...found, ...latest.current.refusals].filter(inside);
  }

  async function complete(context: CompletionContext): Promise<CompletionResult | null> {
    const at = placeAt(context.state.doc.toString(), context.pos);
    if (!context.explicit && !at.word) return null;
    const schema = at.apiVersion && at.kind ? await schemas.of(at.apiVersion, at.kind) : null;
    return {
      from: context.pos - at.word.length,
      validFor: /^[\w./-]*$/,
      options: offers(at, schema, latest.current.kinds).map(
        ({ label: name, detail, info, insert, isRequired }) => ({
          label: name,
          detail,
          apply: insert,
          boost: isRequired ? 1 : 0,
          ...(info && { info }),
        }),
      ),
    };
  }

  return <div ref={place} className="editor" data-readonly={readOnly || undefined} />;
}
