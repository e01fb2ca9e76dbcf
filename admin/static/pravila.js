"use strict";
// What htmx sends must carry the page's token; forms carry it by themselves.
document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]');
  if (token) event.detail.headers["X-CSRFToken"] = token.content;
});
// On a phone the top bar and the tabs scroll: the present page must be in sight.
for (const here of document.querySelectorAll(".top nav [aria-current], .tabs [aria-current]")) {
  const row = here.parentElement;
  const at = here.offsetLeft - row.offsetLeft;
  if (at + here.offsetWidth > row.clientWidth) row.scrollLeft = at - 60;
}
// An open menu closes on Escape and on a click beside it.
const closeMenus = (except) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
};
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
// One click, one change: a second click on a button that is already sending does nothing.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
// Calling opens what is asked afterwards: how it went.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-opens]");
  const panel = link && document.getElementById(link.dataset.opens);
  if (panel) panel.open = true;
});
// What was wrong was said of what stood there before: beside something else it is said no more.
const forget = (event) => {
  // The words by which one searches a list are no value yet.
  const wrong = event.target.getAttribute("role") === "combobox" ? null : event.target.closest('[aria-invalid="true"]');
  const reason = wrong && document.getElementById(wrong.getAttribute("aria-describedby"));
  if (!reason?.classList.contains("problem")) return;
  for (const input of document.querySelectorAll(`[aria-describedby="${CSS.escape(reason.id)}"]`)) input.removeAttribute("aria-invalid");
  reason.remove();
};
for (const kind of ["input", "change"]) document.addEventListener(kind, forget, true);
// A message of the page that is loaded is no change of it: put anew it is read aloud.
const flashes = document.querySelector(".flashes");
if (flashes !== null) window.setTimeout(() => flashes.replaceChildren(...flashes.childNodes), 500);
// A button that prints the page.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
// The bell: its list is fetched when it opens, its number every half minute and when one comes back to the page.
const bell = document.getElementById("bell");
const lookAtBell = () => {
  if (!document.hidden) window.htmx.trigger("#bell-count", "look");
};
if (bell !== null) {
  bell.addEventListener("toggle", () => {
    if (bell.open) window.htmx.trigger("#bell-list", "opened");
  });
  window.setInterval(lookAtBell, 30000);
  document.addEventListener("visibilitychange", lookAtBell);
}
// A page that shows what is due now fetches itself again, unless somebody is at work in it.
const isBusy = () =>
  document.hidden ||
  document.querySelector("main details[open]") !== null ||
  ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
window.setInterval(() => {
  const part = document.querySelector("main [data-refresh]");
  if (part === null || isBusy()) return;
  window.htmx.ajax("GET", window.location.href, {
    target: part,
    select: "main [data-refresh]",
    swap: "outerHTML",
    // Nobody asked: it must not keep the session alive.
    headers: { "X-Pravila-Unasked": "1" },
  });
}, 60000);
