"use strict";
// Keys for the table of rules (the grid pattern: one cell in the tab order, arrows between cells), and the clipboard.
// Without this script every cell is an ordinary link.
(() => {
  const grid = () => document.querySelector(".rules-grid[role=grid]");
  const rows = () => [...grid().tBodies[0].rows].filter((row) => row.querySelector("[data-cell]"));
  const cells = (row) => [...row.querySelectorAll("[data-cell]")];
  const isTyping = (element) => /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName);

  const settle = (cell, focus) => {
    for (const one of grid().querySelectorAll("[data-cell]")) one.tabIndex = -1;
    cell.tabIndex = 0;
    if (!focus) return;
    cell.focus({ preventScroll: true });
    const scroll = cell.closest(".grid-scroll");
    const box = cell.closest("td, th").getBoundingClientRect();
    const frame = scroll.getBoundingClientRect();
    const head = grid().tHead.getBoundingClientRect().height;
    const name = grid().querySelector("tbody .stuck").getBoundingClientRect().width;
    if (box.top < frame.top + head) scroll.scrollTop -= frame.top + head - box.top;
    else if (box.bottom > frame.bottom) scroll.scrollTop += box.bottom - frame.bottom;
    if (cell.closest("th")) return;
    if (box.left < frame.left + name) scroll.scrollLeft -= frame.left + name - box.left;
    else if (box.right > frame.right) scroll.scrollLeft += Math.min(box.right - frame.right, box.left - frame.left - name);
  };

  const begin = () => {
    if (!grid()) return;
    const all = rows().flatMap(cells);
    if (!all.length) return;
    const now = document.getElementById("cell-now");
    const wanted = now && all.find((one) => one.dataset.cell === now.dataset.cellNow);
    const form = grid().querySelector("#open-form");
    settle(wanted || all[0], Boolean(wanted) && !form);
    if (!form) return;
    form.closest("tr").scrollIntoView({ block: "nearest" });
    const first = form.querySelector("[aria-invalid=true], [autofocus], select, input:not([type=hidden])");
    if (first && !form.contains(document.activeElement)) first.focus({ preventScroll: true });
  };

  // The scrolled place of a table that is swapped whole: its reader must not lose his column.
  let place = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A refused form comes back with its reasons: it is shown like any other answer.
    if ([409, 422].includes(event.detail.xhr.status)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
    const scroll = document.querySelector(".grid-scroll");
    place = scroll && { left: scroll.scrollLeft, top: scroll.scrollTop };
  });
  let heard = null;
  document.addEventListener("htmx:afterSettle", (event) => {
    // Who else is here comes by itself every few seconds: it moves nobody and says nothing again.
    if (event.detail.requestConfig?.headers["X-Pravila-Unasked"]) return;
    const scroll = document.querySelector(".grid-scroll");
    if (scroll && place) scroll.scrollTo(place.left, place.top);
    const said = document.getElementById("said");
    const live = document.getElementById("live");
    if (said && live && said !== heard) live.textContent = said.textContent;
    heard = said;
    begin();
  });
  begin();

  document.addEventListener("change", (event) => {
    // A click, not requestSubmit: htmx sends the button that was clicked.
    if (event.target.matches("[data-refits]")) event.target.form.querySelector("[data-fits]").click();
    if (event.target.matches("[data-goes]") && event.target.value) event.target.form.submit();
  });

  document.addEventListener("keydown", (event) => {
    const table = grid();
    if (!table || !table.contains(event.target)) return;
    const form = event.target.closest("#open-form");
    if (form) {
      const way = form.querySelector("[data-cancels]");
      if (event.key === "Escape" && way) {
        event.preventDefault();
        way.click();
      }
      return;
    }
    const cell = event.target.closest("[data-cell]");
    if (!cell || isTyping(event.target) || event.altKey) return;
    const all = rows();
    const row = all.indexOf(cell.closest("tr"));
    const column = cells(all[row]).indexOf(cell);
    const last = cells(all[row]).length - 1;
    const ends = event.ctrlKey || event.metaKey;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [ends ? 0 : row, 0],
      End: [ends ? all.length - 1 : row, last],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const next = all[to[0]] && cells(all[to[0]])[to[1]];
    if (next) settle(next, true);
  });
  document.addEventListener("focusin", (event) => {
    const cell = event.target.closest && event.target.closest(".rules-grid [data-cell]");
    if (cell) settle(cell, false);
  });

  // Rows pasted anywhere on the page go to the preview, where nothing is written yet.
  document.addEventListener("paste", (event) => {
    const table = grid();
    const form = document.getElementById("grid-paste");
    if (!table || !form || isTyping(event.target)) return;
    const text = event.clipboardData.getData("text/plain");
    if (!/[\t\n]/.test(text.trim())) return;
    event.preventDefault();
    form.elements.text.value = text;
    form.submit();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.value);
    } catch {
      source.select();
      document.execCommand("copy");
    }
    const said = document.getElementById("live");
    if (said) said.textContent = button.dataset.done;
    button.textContent = button.dataset.done;
  });
})();
