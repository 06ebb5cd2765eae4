// A small banner on another site while something is wrong or maintained. No framework, no cookie, no inline style.
(({ url, position, incident, maintenance, words }) => {
  const origin = new URL(document.currentScript?.src || url).origin;
  const EVERY = 60e3;
  const KEY = `status-embed ${origin}`;
  let closed = "";
  try { closed = sessionStorage.getItem(KEY) || ""; } catch { /* kept by this page alone */ }

  const [edge, side] = position.split("-");
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; position: fixed; ${edge}: 1rem; ${side}: 1rem; z-index: 2147483000; }
    :host([hidden]) { display: none; }
    section { display: flex; align-items: flex-start; gap: .75rem; box-sizing: border-box; width: max-content;
      max-width: min(24rem, calc(100vw - 2rem)); padding: .875rem 1rem; border-radius: 10px; color: var(--ink);
      background: var(--ground); box-shadow: 0 6px 24px #0005; font: 16px/1.4 system-ui, sans-serif; }
    p { margin: 0; overflow-wrap: anywhere; }
    a { color: inherit; font-weight: 600; text-underline-offset: .2em; }
    button { all: unset; flex: none; box-sizing: border-box; min-width: 1.75rem; line-height: 1.75rem; margin: -.25rem;
      text-align: center; font-size: 1.25rem; cursor: pointer; border-radius: 6px; }
    a:focus-visible, button:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; border-radius: 4px; }
    @media (prefers-color-scheme: dark) { section { box-shadow: 0 0 0 1px #fff4; } }
    @media print { :host { display: none; } }`);
  const make = (name, parent, facts) => parent.appendChild(Object.assign(document.createElement(name), facts));
  const host = Object.assign(document.createElement("div"), { hidden: true });
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  const box = make("section", root, { ariaLabel: words.label });
  const text = make("p", box, { role: "status" });
  const button = make("button", box, { type: "button", textContent: "×", ariaLabel: words.close });

  let shown = "";
  const close = () => {
    closed = shown;
    host.hidden = true;
    try { sessionStorage.setItem(KEY, closed); } catch { /* as above */ }
  };
  button.addEventListener("click", close);
  root.addEventListener("keydown", ({ key }) => key === "Escape" && close());

  const show = (summary) => {
    const running = summary.scheduled_maintenances.filter(({ status }) => status !== "scheduled");
    const listed = summary.incidents.length ? summary.incidents : running;
    const now = listed.map(({ id }) => id).join();
    host.hidden = !now || now === closed;
    if (host.hidden || now === shown && text.firstChild?.textContent === listed[0].name) return;
    shown = now;
    const [ground, ink] = summary.incidents.length ? incident : maintenance;
    box.style.setProperty("--ground", ground);
    box.style.setProperty("--ink", ink);
    if (!host.isConnected) document.body.append(host);
    text.replaceChildren();
    const href = `${origin}/${listed.length > 1 ? "" : `incidents/${listed[0].id}`}`;
    make("a", text, { href, textContent: listed[0].name, target: "_blank", rel: "noopener" });
    if (listed.length > 1) text.append(` ${words.more.replace("%d", listed.length - 1)}`);
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(`${origin}/api/v2/summary.json`, { credentials: "omit", referrerPolicy: "no-referrer" });
      if (answer.ok) show(await answer.json());
    } catch { /* the next look may succeed; what is shown stays */ }
  };
  const start = () => {
    look();
    setInterval(look, EVERY);
    document.addEventListener("visibilitychange", look);
  };
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
})({{ config }});
