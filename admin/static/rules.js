"use strict";
// Keys and dragging for the rule editor. Everything here also has a button; without this script the page works by forms.
(() => {
  const cards = () => [...document.querySelectorAll("#rules > .rule")];
  const cardOf = (element) => element && element.closest && element.closest("#rules > .rule");
  const typing = (element) => /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName) || element.isContentEditable;
  const press = (id) => {
    const button = document.getElementById(id);
    if (button && !button.disabled) button.click();
  };

  // A chosen field or comparison asks for the inputs that fit it; a chosen mode of a group is sent at once.
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.form) return;
    // A click, not requestSubmit: htmx sends the button that was clicked.
    if (input.matches("[data-refreshes]")) input.form.querySelector("[data-refresh]").click();
    if (input.matches("[data-sends]")) input.form.querySelector('button[name="do"]').click();
  });

  // A refused form comes back with its reasons: it is shown like any other answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (![409, 422].includes(event.detail.xhr.status)) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });
  // The draft is swapped whole, so what was done is said in a region that stays.
  document.addEventListener("htmx:afterSettle", () => {
    const said = document.getElementById("said");
    const live = document.getElementById("live");
    if (said && live) live.textContent = said.textContent;
    const wrong = document.querySelector('#open-form [aria-invalid="true"]');
    if (wrong && !document.activeElement.closest("#open-form")) wrong.focus();
    // Where the pressed button is gone, one goes on at the rule that it changed.
    if (document.activeElement !== document.body || !said || !said.dataset.rule) return;
    const open = document.getElementById(`open-${said.dataset.rule}`);
    if (!open) return;
    open.focus({ preventScroll: true });
    if (open.getBoundingClientRect().top < 0) open.scrollIntoView({ block: "start" });
  });

  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    const card = cardOf(at);
    if (event.key === "Escape" && card && !document.querySelector("details.menu[open]")) {
      const way = card.querySelector("[data-cancels]") || card.querySelector("[data-closes]");
      if (way) {
        event.preventDefault();
        way.click();
      }
      return;
    }
    if (typing(at)) return;
    if (event.key === "/" && !event.ctrlKey && !event.metaKey) {
      const search = document.getElementById("try-search");
      if (search) {
        event.preventDefault();
        search.focus();
      }
      return;
    }
    if (event.key === "?") {
      const keys = document.querySelector("details.keys");
      if (keys) {
        keys.open = true;
        keys.querySelector("summary").focus();
      }
      return;
    }
    const rule = card && card.dataset.rule;
    if (event.code === "KeyD" && event.ctrlKey && rule) {
      event.preventDefault();
      press(`twin-${rule}`);
      return;
    }
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const step = event.key === "ArrowUp" ? -1 : 1;
    if (event.altKey) {
      if (!rule) return;
      event.preventDefault();
      press(`${step < 0 ? "up" : "down"}-${rule}`);
      return;
    }
    if (!card) return;
    const next = cards()[cards().indexOf(card) + step];
    if (next) {
      event.preventDefault();
      next.querySelector(".open").focus();
    }
  });

  // Dragging by the handle: the line shows where the rule will stand.
  let dragged = null;
  const clear = () => {
    for (const card of cards()) card.classList.remove("dragged", "drop-before", "drop-after");
  };
  const target = (event) => {
    const card = cardOf(event.target);
    if (!dragged || !card || card.dataset.place === undefined) return null;
    const box = card.getBoundingClientRect();
    return { card, after: event.clientY > box.top + box.height / 2 };
  };
  document.addEventListener("dragstart", (event) => {
    if (!event.target.matches || !event.target.matches(".handle")) return;
    dragged = cardOf(event.target);
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.rule);
    event.dataTransfer.setDragImage(dragged, 10, 10);
  });
  document.addEventListener("dragover", (event) => {
    const found = target(event);
    if (!found) return;
    event.preventDefault();
    for (const card of cards()) card.classList.remove("drop-before", "drop-after");
    found.card.classList.add(found.after ? "drop-after" : "drop-before");
  });
  document.addEventListener("drop", (event) => {
    const found = target(event);
    if (!found) return;
    event.preventDefault();
    const from = Number(dragged.dataset.place);
    const slot = Number(found.card.dataset.place) + (found.after ? 1 : 0);
    const to = slot > from ? slot - 1 : slot;
    const form = document.getElementById("move");
    const rule = dragged.dataset.rule;
    clear();
    dragged = null;
    if (to === from) return;
    form.elements.rule.value = rule;
    form.elements.to.value = String(to);
    form.requestSubmit();
  });
  document.addEventListener("dragend", () => {
    clear();
    dragged = null;
  });
})();
