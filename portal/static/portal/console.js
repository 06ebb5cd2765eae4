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
      else held.querySelector("[data-left]").textContent = `${left} s`;
    }
  };
  tick();
  setInterval(tick, 1e3);

  // --- The room -----------------------------------------------------------------------------------------------------
  on("htmx:beforeRequest", (event) => document.hidden && event.target.id === "timeline" && event.preventDefault());
  on("htmx:beforeSwap", ({ target, detail }) => {  // what did not change is left alone, with what is selected in it
    if (target.id === "timeline" && detail.serverResponse === target.lastSaid) detail.shouldSwap = false;
    target.lastSaid = detail.serverResponse;
  });
  on("htmx:load", tick);
  on("click", (event) => {
    const step = event.target.closest("[data-step]");
    const status = step && document.querySelector("#compose [name=status]");
    if (status && all("option", status).some((option) => option.value === step.dataset.step)) {
      event.preventDefault();
      status.value = step.dataset.step;
      status.form.querySelector("[name=body]").focus();
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
    const said = questions.find((question) => question.checked);
    const option = document.querySelector("[name=severity] option[value='']");
    option.dataset.words ??= option.textContent;
    option.textContent = said ? said.dataset.severity : option.dataset.words;
  };
  questions.forEach((question) => question.addEventListener("change", propose));
  if (questions.length) propose();

  // --- Drafts: what is typed outlives a reload, a lost session and a lost connection ----------------------------------
  // A draft is put away with its form's token. The server names the token of a form that it has accepted in a cookie.
  const PREFIX = "draft:";
  const DAY = 864e5;
  const keep = (act) => { try { return act(); } catch { return null; } };  // storage may be full or forbidden
  const keyOf = (form) => `${PREFIX}${words.user}:${form.dataset.draft || location.pathname}`;
  const typed = (form) => all("[name]", form).filter(
    ({ name, type }) => name !== "csrfmiddlewaretoken" && !["file", "password", "submit", "button"].includes(type));
  const isChoice = ({ type }) => ["checkbox", "radio"].includes(type);
  const partOf = (field) => (isChoice(field) ? `${field.name}=${field.value}` : field.name);
  const valueOf = (field) => (isChoice(field) ? field.checked : field.value);
  const fill = (field, value) => { if (isChoice(field)) field.checked = value; else field.value = value; };
  const read = (key) => keep(() => JSON.parse(localStorage.getItem(key)));
  const accepted = document.cookie.match(/(?:^|; )accepted=([^;]*)/)?.[1];
  for (const key of keep(() => Object.keys(localStorage)) || []) {
    if (!key.startsWith(PREFIX)) continue;
    const draft = read(key);
    if (!draft || draft.token === accepted || Date.now() - draft.at > 7 * DAY) keep(() => localStorage.removeItem(key));
  }
  for (const form of all("form[data-draft]")) {
    const key = keyOf(form);
    const fresh = typed(form).map((field) => [field, valueOf(field)]);
    const draft = read(key);
    if (draft && !form.querySelector(".errornote, .errorlist, .conflict")) {
      for (const field of typed(form)) if (partOf(field) in draft.values) fill(field, draft.values[partOf(field)]);
      const said = document.createElement("p");
      said.className = "restored";
      said.setAttribute("role", "status");
      said.append(words.restored);
      const drop = document.createElement("button");
      drop.type = "button";
      drop.textContent = words.discard;
      drop.addEventListener("click", () => {
        keep(() => localStorage.removeItem(key));
        for (const [field, value] of fresh) fill(field, value);
        said.remove();
      });
      said.append(drop);
      form.prepend(said);
    }
    form.addEventListener("input", () => {
      const values = Object.fromEntries(typed(form).map((field) => [partOf(field), valueOf(field)]));
      keep(() => localStorage.setItem(key, JSON.stringify({ at: Date.now(), token: values.token, values })));
    });
  }
  document.getElementById("logout-form")?.addEventListener("submit", () => {
    for (const key of keep(() => Object.keys(localStorage)) || [])
      if (key.startsWith(PREFIX)) keep(() => localStorage.removeItem(key));
  });
  if (questions.length) propose();
})();
