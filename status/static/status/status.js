// The page reads and works without this. It says when the page is no longer fresh, and looks for news calmly.
(() => {
  const script = document.currentScript;
  const $ = (selector) => document.querySelector(selector);
  const on = (type, react) => document.addEventListener(type, react);
  const FRESH = 5 * 60e3;

  // htmx is loaded after the first view: soon enough for the first poll, or when somebody comes near a link of its.
  let isLoading = false;
  const loadHtmx = () => {
    // Before "complete" htmx could miss the event that it starts on.
    if (isLoading || document.hidden || document.readyState !== "complete" || !$("[hx-get], [hx-post]")) return;
    isLoading = true;
    const htmx = document.createElement("script");
    htmx.src = script.dataset.htmx;
    htmx.onerror = () => { isLoading = false; htmx.remove(); };
    document.head.append(htmx);
  };
  setInterval(loadHtmx, 20e3);
  for (const type of ["pointerover", "focusin"]) on(type, ({ target }) => target.closest("a[hx-get], [hx-post]") && loadHtmx());

  // Polling rests while nobody looks, and leaves the page alone when there is nothing new.
  on("htmx:beforeRequest", (event) => document.hidden && event.preventDefault());
  const toggled = new Map();
  on("click", ({ target }) => {
    const details = target.closest("summary")?.parentNode;
    if (details) toggled.set(details.id, !details.open);
  });
  let focus;
  on("htmx:beforeSwap", ({ target, detail }) => {
    if (target.id !== "main") return;
    if (detail.serverResponse.includes(`data-version="${target.dataset.version}"`)) detail.shouldSwap = false;
    const active = document.activeElement;
    const link = active.getAttribute("href");
    focus = target.contains(active) && (active.id ? `#${active.id}` : link && `main a[href="${link}"]`);
  });
  on("htmx:load", ({ target }) => {
    if (target.matches(".month")) target.querySelector("h2").focus();
    if (target.id !== "main") return;
    for (const [id, isOpen] of toggled) if ($(`#${id}`)) $(`#${id}`).open = isOpen;
    if (focus) $(focus)?.focus({ preventScroll: true });
    $("link[rel=icon]").href = target.dataset.icon;
    $("#news").textContent = $("h1").textContent;
  });

  // "Nov 22, 2026 - 10:30 CET", as the server writes it.
  const parts = (language, options, at) => Object.fromEntries(
    new Intl.DateTimeFormat(language, { timeZone: document.documentElement.dataset.zone, hourCycle: "h23", ...options })
      .formatToParts(at).map(({ type, value }) => [type, value]));
  const moment = (at) => {
    const { month, day, year, hour, minute } = parts(document.documentElement.lang,
      { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }, at);
    // A zone's abbreviation is only shown where it is at home.
    const zones = ["en-US", "en-GB", "en-AU", "en-IN"].map((home) => parts(home, { timeZoneName: "short" }, at).timeZoneName);
    return `${month} ${day}, ${year} - ${hour}:${minute} ${zones.find((zone) => !/[+-]/.test(zone)) || zones[0]}`;
  };
  const write = (time, at) => {
    time.dateTime = new Date(at).toISOString();
    time.textContent = moment(at);
  };

  // How long it is until a promised update, beside its time.
  let skew = 0; // of the reader's clock
  const until = new Intl.RelativeTimeFormat(document.documentElement.lang);
  const countDown = () => {
    for (const time of document.querySelectorAll("time[data-due]")) {
      const minutes = Math.ceil((Date.parse(time.dateTime) - Date.now() - skew) / 60e3);
      time.dataset.until = `(${until.format(minutes, "minute")})`;
    }
  };
  countDown();
  setInterval(countDown, 5e3);
  on("htmx:load", countDown);

  // The server leaves its heartbeat beside the pages every minute.
  let beat = 0, failures = 0, isFirst = true;
  const check = async () => {
    if (document.hidden) return;
    let now = Date.now();
    try {
      const answer = await fetch("/heartbeat.json", { cache: "no-store", signal: AbortSignal.timeout(10e3) });
      beat = Date.parse((await answer.json()).at) || beat;
      now = Date.parse(answer.headers.get("Date")) || now;
      skew = now - Date.now();
      failures = 0;
    } catch {
      // Without a network of its own, a browser cannot blame the server; and one failure may be an accident.
      if (!navigator.onLine) return;
      if (++failures === 1) return setTimeout(check, 3e3);
    }
    const asOf = $(".as-of time"); // a postmortem has none, but its file has a date
    const written = Date.parse(asOf ? asOf.dateTime : document.lastModified);
    // A page that changed after the clock stopped is as fresh as its change.
    const since = Math.max(beat, written);
    const isStale = failures > 0 || now - since > FRESH;
    $("#stale").hidden = !isStale;
    if (isStale) write($("#stale time"), since);
    // Nothing has changed since: what is shown holds as of the heartbeat, as long as the page follows changes.
    else if (asOf && beat > written && (isFirst || (window.htmx && $("main[hx-get]")))) write(asOf, beat);
    isFirst = false;
  };
  check();
  setInterval(check, 60e3);
  on("visibilitychange", () => { check(); loadHtmx(); });

  // The day behind a bar, at once, and for every time what it is where the reader is.
  const tip = $("#tip");
  const near = ({ target, type }) => {
    if (target.matches("time")) target.title = new Date(target.dateTime).toLocaleString();
    const bar = target.closest(".bars :is(a, g)");
    tip.hidden = !bar || type.endsWith("out");
    if (tip.hidden) return;
    const title = bar.querySelector("title");
    if (title) {
      // Said to screen readers as before, but without the browser's own box over ours.
      bar.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    const { left, top } = bar.getBoundingClientRect();
    tip.textContent = bar.getAttribute("aria-label");
    tip.style.left = `clamp(11.5rem, ${left}px, 100vw - 11.5rem)`;
    tip.style.top = `${top}px`;
  };
  for (const type of ["pointerover", "pointerout", "focusin", "focusout"]) on(type, near);
})();
