// What the keyboard finds wrong with a page: a line for each (keyboard.py).
([contrast, most]) => {
  // What changes is seen at once.
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets = [still];
  const found = [];
  const tell = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
  const dialog = [...document.querySelectorAll("[role=dialog]")].find((each) => each.checkVisibility());
  const root = dialog ?? document.body;
  const shown = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.getClientRects().length > 0;
  const controls = [
    ...root.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex], [contenteditable=true]"),
  ]
    .filter((element) => element.tabIndex >= 0 && !element.disabled && !element.closest("[inert]") && shown(element))
    .filter((element) => element.type !== "radio" || element.checked);

  const colour = (text) => {
    const [red, green, blue, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
    return { red, green, blue, alpha };
  };
  const light = ({ red, green, blue }) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element.parentElement; at; at = at.parentElement) {
      const own = colour(getComputedStyle(at).backgroundColor);
      if (own.alpha === 1) return own;
    }
    return colour(getComputedStyle(document.body).backgroundColor);
  };
  const ratio = (one, other) => {
    const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  // A checkbox that is drawn by its neighbour, a field that is framed by what is around it.
  const near = (element) =>
    [
      element,
      element.nextElementSibling,
      element.parentElement,
      element.parentElement?.parentElement,
      element.closest(".editor, .terminal-frame, label, .mantine-MultiSelect-input, .mantine-TagsInput-input"),
    ].filter(Boolean);
  const rings = (element) =>
    near(element).filter((each) => {
      const style = getComputedStyle(each);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    });
  const covered = (element) => {
    const box = element.getBoundingClientRect();
    const inside = (x, y) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight;
    const points = [
      [0.5, 0.5],
      [0.1, 0.5],
      [0.9, 0.5],
      [0.5, 0.1],
      [0.5, 0.9],
    ]
      .map(([x, y]) => [box.left + box.width * x, box.top + box.height * y])
      .filter(([x, y]) => inside(x, y));
    return !points.some(([x, y]) => {
      // The list of a field that had the focus before is still closing.
      const top = document
        .elementsFromPoint(x, y)
        .find((each) => !each.closest("[role=listbox], .mantine-Popover-dropdown") || each === element);
      return (
        top &&
        (element.contains(top) ||
          top.contains(element) ||
          near(element).some((each) => each !== document.body && each.contains(top)))
      );
    });
  };
  const looked = [...controls.slice(0, most), ...controls.slice(Math.max(most, controls.length - 20)).reverse()];
  for (const element of looked) {
    if (!element.isConnected || !shown(element)) continue;
    element.focus();
    if (document.activeElement !== element && !element.contains(document.activeElement)) {
      tell("cannot have the focus", element);
      continue;
    }
    const [ring] = rings(element);
    if (!ring) tell("shows no focus", element);
    else if (ratio(colour(getComputedStyle(ring).outlineColor), ground(ring)) < contrast) tell("a ring too faint", element);
    if (covered(element)) tell("covered while it has the focus", element);
  }

  const reachable =
    "a, button, input, select, textarea, summary, label, [tabindex], [role=option], [role=menuitem], [contenteditable=true]";
  for (const element of root.querySelectorAll("*")) {
    if (getComputedStyle(element).cursor !== "pointer" || !shown(element)) continue;
    if (element.closest(reachable) || element.querySelector(reachable) || element.closest("tr.clickable")) continue;
    tell("only for a pointer", element);
  }

  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
    .filter(shown)
    .filter((each) => !dialog || dialog.contains(each))
    .map((each) => [Number(each.tagName[1]), each]);
  let before = dialog ? 1 : 0;
  for (const [level, each] of levels) {
    if (level > before + 1) tell(`a heading of level ${level} after one of ${before}`, each);
    before = level;
  }
  if (!dialog && levels.filter(([level]) => level === 1).length !== 1) found.push("there must be one heading of level 1");
  if (!/\S/.test(document.title)) found.push("the page has no title");
  document.adoptedStyleSheets = [];
  return [...new Set(found)];
};
