// Every page works without this. It moves clocks, keeps what is typed, and proposes what the server would propose too.
(() => {
  const words = document.currentScript.dataset;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (type, react) => document.addEventListener(type, react);

  // --- Clocks: <time data-clock="zone">, <time data-since datetime>, <time data-until datetime> ---------------------
  const span = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    if (minutes < 2) return `${Math.floor(seconds)} s`;
    return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const tick = () => {
    const now = Date.now();
    for (const clock of all("[data-clock]")) {
      const options = { timeZone: clock.dataset.clock, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
      clock.textContent = new Intl.DateTimeFormat("en", options).format(now);
    }
    for (const time of all("[data-since]")) time.textContent = span((now - Date.parse(time.dateTime)) / 1e3);
    for (const time of all("[data-until]")) {
      const left = (Date.parse(time.dateTime) - now) / 1e3;
      time.classList.toggle("late", left < 0);
      time.textContent = left < 0 ? `${time.dataset.late} ${span(-left)}` : span(left);
    }
    for (const held of all("form[data-held]")) {
      const left = Math.ceil((Date.parse(held.dataset.held) - now) / 1e3);
      if (left <= 0) held.remove();
      else for (const time of all("[data-left]", held)) time.textContent = `${time.dataset.in} ${left} s`;
    }
  };
  tick();
  setInterval(tick, 1e3);

  // --- The room -----------------------------------------------------------------------------------------------------
  on("htmx:beforeRequest", (event) => document.hidden && event.target.id === "timeline" && event.preventDefault());
  on("htmx:beforeSwap", ({ target, detail }) => {  // what did not change is left alone, with what is selected in it
    if (target.id === "timeline" && detail.serverResponse === target.lastResponse) detail.shouldSwap = false;
    target.lastResponse = detail.serverResponse;
  });
  on("htmx:load", tick);
  on("click", (event) => {
    const step = event.target.closest("[data-step]");
    const { status, body, seen } = (step && document.getElementById("compose")?.elements) || {};
    const isNews = seen && seen.value !== step.dataset.latest && !body.value;  // the server's form knows of it
    if (status && !isNews && all("option", status).some((option) => option.value === step.dataset.step)) {
      event.preventDefault();
      status.value = step.dataset.step;
      body.value ||= step.dataset.words;
      body.focus();
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent.trim())
      .then(() => { copy.textContent = "✓"; });
  });
  const revealCopies = () => all("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
  revealCopies();
  on("htmx:load", revealCopies);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const field of all("[name=typed_in]")) {
    field.value = zone;
    all("[data-zone]", field.form).forEach((words) => { words.textContent = zone; });
  }

  // --- Severity: the same answers that the server reads --------------------------------------------------------------
  const questions = all("[data-severity]");
  const propose = () => {
    const chosen = questions.find((question) => question.checked);
    const option = document.querySelector("[name=severity] option[value='']");
    option.dataset.words ??= option.textContent;
    option.textContent = chosen ? chosen.dataset.severity : option.dataset.words;
  };
  questions.forEach((question) => question.addEventListener("change", propose));
  if (questions.length) propose();

  // --- Drafts: what is typed outlives a reload, a lost session and a lost connection ----------------------------------
  // A draft is put away with its form's token. The server names the token of a form that it has accepted in a cookie.
  // Each tab has its own; one that a closed tab left behind is taken over.
  const PREFIX = "draft:";
  const DAY = 864e5;
  const attempt = (act) => { try { return act(); } catch { return null; } };  // storage may be full or forbidden
  const read = (key) => attempt(() => JSON.parse(localStorage.getItem(key)));
  const drop = (key) => attempt(() => localStorage.removeItem(key));
  const keys = () => (attempt(() => Object.keys(localStorage)) || []).filter((key) => key.startsWith(PREFIX));
  const tab = attempt(() => (sessionStorage.tab ||= crypto.randomUUID())) || "";
  navigator.locks?.request(`tab:${tab}`, () => new Promise(() => {}));  // held for as long as this page is open
  const left = async (stem) => {  // by a tab that is gone
    const held = (await navigator.locks?.query())?.held.map(({ name }) => name);
    return held && keys().find((key) => key.startsWith(stem) && !held.includes(`tab:${key.slice(stem.length)}`));
  };

  const isChoice = ({ type }) => ["checkbox", "radio"].includes(type);
  const partOf = (field) => (isChoice(field) ? `${field.name}=${field.value}` : field.name);
  const valueOf = (field) => (isChoice(field) ? field.checked : field.value);
  const fill = (field, value) => { if (isChoice(field)) field.checked = value; else field.value = value; };
  const typed = (form) => all("[name]", form).filter(
    ({ name, type }) => name !== "csrfmiddlewaretoken" && !["file", "password", "submit", "button"].includes(type));

  const restore = (form, key, { values }) => {
    const fresh = typed(form).map((field) => [field, valueOf(field)]);
    for (const field of typed(form)) if (partOf(field) in values) fill(field, values[partOf(field)]);
    const notice = document.createElement("p");
    const discard = document.createElement("button");
    notice.className = "restored";
    notice.setAttribute("role", "status");
    discard.type = "button";
    discard.textContent = words.discard;
    discard.addEventListener("click", () => {
      drop(key);
      for (const [field, value] of fresh) fill(field, value);
      notice.remove();
    });
    notice.append(words.restored, " ", discard);
    form.prepend(notice);
  };
  const accepted = document.cookie.match(/(?:^|; )accepted=([^;]*)/)?.[1];
  for (const key of keys()) {
    const draft = read(key);
    if (!draft || draft.values.token === accepted || Date.now() - draft.at > 7 * DAY) drop(key);
  }
  const keepDraft = async (form) => {
    const stem = `${PREFIX}${words.user}:${form.dataset.draft || location.pathname}:`;
    const key = stem + tab;
    form.addEventListener("input", () => {
      const values = Object.fromEntries(typed(form).map((field) => [partOf(field), valueOf(field)]));
      attempt(() => localStorage.setItem(key, JSON.stringify({ at: Date.now(), values })));
    });
    if ("bound" in form.dataset) return;  // the server has sent back what was typed
    const found = read(key) ? key : await left(stem);
    if (!found) return;
    const draft = read(found);
    if (found !== key) {
      drop(found);
      attempt(() => localStorage.setItem(key, JSON.stringify(draft)));
    }
    restore(form, key, draft);
  };
  all("form[data-draft]").forEach(keepDraft);
  on("htmx:load", ({ target }) => {  // a template's words: the first place to fill in is chosen
    if (!target.matches("form[data-draft]")) return;
    keepDraft(target);
    const body = target.querySelector("[name=body]");
    const place = body?.value.match(/\{[a-z_]+\}/);
    body?.focus();
    if (place) body.setSelectionRange(place.index, place.index + place[0].length);
    target.dispatchEvent(new Event("input"));
  });
  document.getElementById("logout-form")?.addEventListener("submit", () => {
    keys().forEach(drop);
  });

  // --- Sending: once, and not into the void ---------------------------------------------------------------------------
  on("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (!navigator.onLine) {
      event.preventDefault();
      const notice = form.querySelector(".unsent") || document.createElement("p");
      notice.className = "errornote unsent";
      notice.setAttribute("role", "alert");
      notice.textContent = words.offline;
      form.prepend(notice);
    } else if (form.dataset.sending) event.preventDefault();  // the answer to the first click is on its way
    else {
      form.dataset.sending = "yes";
      setTimeout(() => delete form.dataset.sending, 1e4);  // or it will not come
    }
  });
  if (questions.length) propose();
})();
