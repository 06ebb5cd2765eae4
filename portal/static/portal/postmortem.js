// The editor of postmortems. Without it each section has its button; with it sections save themselves (htmx posts them),
// and what is typed outlives a reload, a lost session and a lost connection: it is kept here until it is saved.
(() => {
  const words = document.currentScript.dataset;
  const attempt = (act) => { try { return act(); } catch { return null; } };  // storage may be full or forbidden
  const fields = (form) => [...form.querySelectorAll("[name=title], [name=internal], [name=public], [name=withheld]")];
  const typed = (form) => JSON.stringify(fields(form).map((field) => field.value));
  const keyOf = (form) => `section:${words.user}:${form.dataset.section}`;
  const say = (form, text) => { form.querySelector(".saving").textContent = text; };
  const state = (form) => form.querySelector(".saving").dataset.state;

  const begin = (form) => {
    const kept = attempt(() => JSON.parse(localStorage.getItem(keyOf(form))));
    if (!kept) {  // typed before this ran, or brought back by the browser
      if (fields(form).some((field) => field.value !== field.defaultValue)) form.requestSubmit();
      return;
    }
    if (kept.typed === typed(form)) {
      attempt(() => localStorage.removeItem(keyOf(form)));
      return;
    }
    JSON.parse(kept.typed).forEach((value, place) => { fields(form)[place].value = value; });
    form.querySelector("[name=seen]").value = kept.seen;  // so that what others wrote meanwhile is shown first
    say(form, words.restored);
    form.requestSubmit();
  };
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("form[data-section]").forEach(begin);
    document.querySelectorAll("[data-instant]").forEach((button) => { button.hidden = false; });
  });

  document.addEventListener("input", ({ target }) => {
    const form = target.closest("form[data-section]");
    if (!form) return;
    const seen = form.querySelector("[name=seen]").value;
    attempt(() => localStorage.setItem(keyOf(form), JSON.stringify({ typed: typed(form), seen })));
    if (state(form) === "saved") say(form, words.typing);
  });
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt, xhr } }) => {
    if (elt.dataset.section) xhr.typed = typed(elt);
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const form = detail.elt.closest("form[data-section]") || detail.requestConfig.elt;
    if (!form.dataset.section || detail.serverResponse.includes('data-state="')) return;
    detail.shouldSwap = false;
    say(form, words.ended);  // the answer is a page to log in at, or one that forbids
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { requestConfig: { elt }, xhr } }) => {
    if (!elt.dataset.section || state(elt) !== "saved") return;
    if (xhr.typed === typed(elt)) attempt(() => localStorage.removeItem(keyOf(elt)));
    else say(elt, words.typing);
  });
  for (const failure of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failure, ({ detail: { elt } }) => elt.dataset.section && say(elt, words.lost));
  }
  document.addEventListener("htmx:responseError", ({ detail: { elt } }) => elt.dataset.section && say(elt, words.ended));

  document.addEventListener("click", ({ target }) => {
    if (!target.matches("[data-instant]")) return;
    const field = target.form.elements.public;
    const now = new Date().toISOString().slice(0, 16);
    field.setRangeText(`{{t ${now}Z}}`, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
})();
