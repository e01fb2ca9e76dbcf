"use strict";
// Keys, dragging and searching in the rule editor. Everything here also has a button; without it the page works by forms.
(() => {
  const cards = () => [...document.querySelectorAll("#rules > .rule")];
  const cardOf = (element) => element && element.closest && element.closest("#rules > .rule");
  const typing = (element) => /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName) || element.isContentEditable;
  const say = (text) => {
    const live = document.getElementById("live");
    if (live && text) live.textContent = text;
  };

  // While an answer is awaited a further key or click is kept: on the old page it would be lost with it.
  let waiting = false;
  let pressed = [];
  const press = (selector) => {
    if (waiting) {
      pressed.push(selector);
      return;
    }
    const button = document.querySelector(selector);
    if (button && !button.disabled) button.click();
  };
  document.addEventListener(
    "click",
    (event) => {
      const wanted = waiting && event.target.closest("#draft a[href], #draft button[id]");
      if (!wanted || wanted.closest(".beside, .pop, [hx-boost=false]")) return;
      event.preventDefault();
      event.stopPropagation();
      press(wanted.id ? `#${CSS.escape(wanted.id)}` : `#draft a[href="${CSS.escape(wanted.getAttribute("href"))}"]`);
    },
    true,
  );
  const changes = (event) => event.target.closest?.("#draft") && !event.target.closest(".count, .beside") && event.detail.requestConfig?.verb === "post";
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (changes(event)) waiting = true;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!waiting || event.detail.requestConfig?.verb !== "post") return;
    waiting = false;
    const next = pressed.shift();
    if (next) window.setTimeout(() => press(next), 30);
  });

  // What was typed or pressed since the open form was sent is not in the answer: it stays, and its own answer follows.
  let sent = "";
  const typed = () => {
    const form = document.getElementById("open-form");
    if (!form) return "";
    const own = ["csrf_token", "revision", "seen", "was"];
    return JSON.stringify([...new FormData(form)].filter(([name]) => !own.includes(name)));
  };
  let finishing = false;
  document.addEventListener("click", (event) => {
    finishing = waiting && Boolean(event.target.closest?.("#open-form .acts button"));
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "draft") finishing = false;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (changes(event)) sent = typed();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id === "open-form" && (finishing || typed() !== sent)) event.detail.shouldSwap = false;
  });

  // The mode of a group is sent as soon as it is chosen; where a form is not saved by itself, a chosen field or action
  // asks for the inputs that fit it.
  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.form) return;
    // A click, not requestSubmit: htmx sends the button that was clicked.
    if (input.matches("[data-refreshes]")) input.form.querySelector("[data-shows]").click();
    if (input.matches("[data-sends]")) input.form.querySelector('button[name="do"]').click();
  });

  // A refused form comes back with its reasons: it is shown like any other answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (![409, 422].includes(event.detail.xhr.status)) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    // Somebody else was faster: the whole draft is shown anew, whoever asked.
    if (event.detail.xhr.status === 409) {
      event.detail.target = document.getElementById("draft");
      event.detail.selectOverride = "#draft";
      event.detail.swapOverride = "outerHTML show:none";
    }
  });

  // What was saved while typing: the other forms of the page know it from now on.
  document.addEventListener("draft-saved", (event) => {
    const { taken, missing, revision, rule, seen, order } = event.detail;
    if (taken) {
      // Its form may be in the middle of a click: what was wrong is taken out of it, the rest stays.
      for (const input of document.querySelectorAll("#open-form [aria-invalid]")) input.removeAttribute("aria-invalid");
      for (const reason of document.querySelectorAll("#open-form :is(.problem, .todo)"))
        if (!missing.includes(reason.id.slice(2))) reason.remove();
    }
    for (const input of document.querySelectorAll('#draft input[name="revision"]')) input.value = revision;
    for (const form of document.querySelectorAll("#draft form")) {
      const { subject, seen: known } = form.elements;
      if (!subject || !known) continue;
      if (subject.value === rule) known.value = seen;
      if (subject.value === "order" && order) known.value = order;
    }
  });

  // Who turns to another window leaves nothing behind that is typed and not saved.
  document.addEventListener("visibilitychange", () => {
    const at = document.activeElement;
    if (document.hidden && at?.closest("#open-form") && at.name && at.value !== at.defaultValue) at.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // Where a form is opened, one comes back to the chip that opened it.
  let opener = null;
  document.addEventListener("click", (event) => {
    const chip = event.target.closest && event.target.closest("#draft a.chip");
    if (!chip) return;
    const same = [...document.querySelectorAll("#draft a.chip")].filter((one) => one.getAttribute("href") === chip.getAttribute("href"));
    opener = { href: chip.getAttribute("href"), place: same.indexOf(chip) };
  });
  const back = () => {
    if (!opener) return false;
    const chips = [...document.querySelectorAll("#draft a.chip")].filter((one) => one.getAttribute("href") === opener.href);
    const chip = chips[opener.place] || chips[0];
    opener = null;
    if (!chip) return false;
    chip.focus({ preventScroll: true });
    return true;
  };

  const VALUE = ".checks-search:not([hidden]), #c-value";
  // What is still to be filled in comes before what stands there already.
  const lacking = (form) => [...form.querySelectorAll(":is(input, select, textarea):not([hidden])[aria-describedby]")].find((one) => document.getElementById(one.getAttribute("aria-describedby"))?.matches(".todo"));
  const first = (form) => form.querySelector("[autofocus]") || lacking(form) || form.querySelector(VALUE) || form.querySelector("input:not([type=hidden]), select, textarea, button");
  // What stands there is marked: typing puts another value in its place.
  const begin = (input) => {
    input?.focus();
    if (input?.type === "text") input.select();
  };
  let left = "";
  let stood = -1;
  let heard = null;
  document.addEventListener("htmx:beforeRequest", () => {
    const card = cardOf(document.activeElement);
    if (!card) return;
    left = card.dataset.rule;
    stood = cards().indexOf(card);
  });

  // What comes without being asked for never takes the focus and is not read whole: only what became otherwise is said.
  const FINDINGS = ".findings > .finding:not(.told) > span";
  let findings = null;
  const answered = () => document.getElementById("try-result")?.dataset.answer || "";
  let example = answered();
  const anew = () => {
    const [before, now] = [example, answered()];
    example = now;
    return before && now && before !== now ? now : "";
  };
  const tell = () => {
    const sum = document.getElementById("findings-sum");
    if (sum?.dataset.fresh) {
      const now = [...document.querySelectorAll(FINDINGS)].map((one) => one.textContent.trim());
      const fresh = findings ? now.filter((text) => !findings.includes(text)) : [];
      if (fresh.length) say(`${sum.dataset.fresh} ${fresh.slice(0, 2).join(" ")}`);
      else if (findings?.length && !now.length) say(sum.dataset.none);
      findings = now;
    }
    say(anew());
  };

  // The draft is swapped whole or in parts: what was done is said in a region that stays, and the focus finds its place.
  document.addEventListener("htmx:afterSettle", (event) => {
    show();
    if (event.detail.requestConfig?.headers["X-Pravila-Unasked"]) {
      tell();
      return;
    }
    const said = document.getElementById("said");
    // Figures settle too; only what is new is said.
    const answer = anew();
    if (said && said !== heard) say([said.textContent, answer].filter(Boolean).join(" "));
    heard = said;
    const form = document.getElementById("open-form");
    // A group of inputs takes no focus itself: its first input does.
    const wrong = form && form.querySelector(':is(input, select, textarea)[aria-invalid="true"]:not([hidden]), fieldset[aria-invalid="true"] :is(select, input:not([type="hidden"], [hidden]))');
    if (form && form.hasAttribute("data-begins")) {
      // Another field was chosen: one goes on at its value.
      form.removeAttribute("data-begins");
      begin(form.querySelector(VALUE) || form.querySelector(".inputs > .field:nth-child(2) :is(input, select, textarea)"));
    }
    const lost = document.activeElement === document.body || document.activeElement === null;
    if (wrong && !document.activeElement.closest("#open-form")) begin(wrong);
    else if (form && (lost || (event.target.id === "draft" && form.contains(document.activeElement)))) begin(form.querySelector("[autofocus]") || wrong || first(form));
    else if (!form && lost && !back()) {
      // Where the pressed button is gone, one goes on at the rule that it changed, else at the one where one was.
      // A removed rule leaves the focus to the one that took its place.
      const open = document.getElementById(`open-${(said && said.dataset.rule) || left}`) || cards()[stood]?.querySelector(".open");
      if (open) open.focus({ preventScroll: true });
    }
    const active = document.querySelector("#rules > .rule.active, #rules > .rule:focus-within");
    if (event.target.id === "draft" && active) {
      const box = (active.querySelector("#open-form") || active).getBoundingClientRect();
      if (box.top < 0 || box.bottom > window.innerHeight) (active.querySelector("#open-form") || active).scrollIntoView({ block: "nearest" });
    }
  });

  // Searching the rules: cards that do not say it step back.
  const show = () => {
    for (const part of document.querySelectorAll(".needs-script")) part.hidden = false;
    filter(false);
  };
  let sought = "";
  const filter = (aloud) => {
    const search = document.getElementById("rule-search");
    if (!search) return;
    if (!aloud && search.value === "" && sought) search.value = sought;
    sought = search.value;
    const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const card of cards()) {
      const text = [...card.querySelectorAll("h2, .sentence, .why-note, .finding > span")].map((part) => part.textContent).join(" ").toLowerCase();
      const fits = words.every((word) => text.includes(word));
      card.hidden = !fits && !card.classList.contains("active");
      if (fits) found += 1;
    }
    const none = document.getElementById("none-found");
    if (none) none.hidden = found > 0 || words.length === 0;
    if (aloud) say(`${search.dataset.found} ${found}`);
  };
  document.addEventListener("input", (event) => {
    if (event.target.id === "rule-search") filter(true);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("#help")) document.getElementById("keys").showModal();
  });
  show();

  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const card = cardOf(at);
    if (event.key === "Escape") {
      if (at.id === "rule-search" && at.value) {
        at.value = "";
        filter(true);
        return;
      }
      if (document.querySelector("details.menu[open]") || at.closest(".beside")) return;
      const open = card || document.querySelector("#rules > .rule.active");
      const way = open && (open.querySelector("[data-cancels]") || open.querySelector("[data-closes]"));
      if (way) {
        event.preventDefault();
        // What is typed and not finished is not sent: the form closes before its input is left.
        at.form?.reset();
        way.click();
      }
      return;
    }
    if (typing(at)) return;
    if (event.key === "/" && !event.ctrlKey && !event.metaKey) {
      const search = document.getElementById("rule-search") || document.getElementById("try-search");
      if (search) {
        event.preventDefault();
        search.focus();
      }
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      document.getElementById("keys")?.showModal();
      return;
    }
    if (event.code === "KeyZ" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      press(event.shiftKey ? "#redo" : "#undo");
      return;
    }
    const rule = card && card.dataset.rule;
    if (event.code === "KeyD" && event.ctrlKey && rule) {
      event.preventDefault();
      press(`#${CSS.escape(`twin-${rule}`)}`);
      return;
    }
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const step = event.key === "ArrowUp" ? -1 : 1;
    if (event.altKey) {
      if (!rule) return;
      event.preventDefault();
      press(`#${CSS.escape(`${step < 0 ? "up" : "down"}-${rule}`)}`);
      return;
    }
    const shown = cards().filter((one) => !one.hidden);
    const next = card ? shown[shown.indexOf(card) + step] : null;
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
