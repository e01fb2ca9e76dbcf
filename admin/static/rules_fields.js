"use strict";
// A long list becomes one that is searched by typing (a combobox by the ARIA practices); a list of boxes gets a search.
// Without this script both work as the lists that they are.
(() => {
  let made = 0;
  const plain = (text) => text.toLowerCase().replaceAll("ё", "е").trim();

  const combo = (select) => {
    made += 1;
    const list = document.createElement("ul");
    list.id = `combo-list-${made}`;
    list.setAttribute("role", "listbox");
    list.hidden = true;
    const input = document.createElement("input");
    input.type = "text";
    input.id = `${select.id}-search`;
    input.autocomplete = "off";
    input.placeholder = select.dataset.combo;
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(name, value);
    for (const name of ["aria-invalid", "aria-describedby"]) if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
    if (select.hasAttribute("autofocus")) input.setAttribute("autofocus", "");
    const label = document.querySelector(`label[for="${select.id}"]`);
    if (label) {
      label.htmlFor = input.id;
      list.setAttribute("aria-label", label.textContent);
    }
    const holder = document.createElement("span");
    holder.className = "combo";
    select.before(holder);
    holder.append(input, list, select);
    select.hidden = true;

    const chosen = () => (select.value ? select.selectedOptions[0].textContent.trim() : "");
    // A long name does not fit into the input: it can be read by pointing at it.
    input.value = input.title = chosen();
    let active = null;
    const mark = (option) => {
      active?.removeAttribute("data-active");
      active = option;
      if (!option) {
        input.removeAttribute("aria-activedescendant");
        return;
      }
      option.setAttribute("data-active", "");
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    };
    const options = () => [...list.querySelectorAll("[role=option]")];
    const fill = (text) => {
      const words = plain(text).split(/\s+/).filter(Boolean);
      list.replaceChildren();
      let place = 0;
      const add = (option, to) => {
        if (!option.value || !words.every((word) => plain(`${option.textContent} ${option.parentElement.label || ""}`).includes(word))) return;
        const line = document.createElement("li");
        line.id = `${list.id}-${place}`;
        place += 1;
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", String(option.value === select.value));
        line.dataset.value = option.value;
        line.textContent = option.textContent;
        to.append(line);
      };
      for (const part of select.children) {
        if (part.tagName !== "OPTGROUP") {
          add(part, list);
          continue;
        }
        const group = document.createElement("ul");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", part.label);
        const head = document.createElement("li");
        head.setAttribute("role", "presentation");
        head.className = "faint";
        head.textContent = part.label;
        group.append(head);
        for (const option of part.children) add(option, group);
        if (group.children.length > 1) {
          const holds = document.createElement("li");
          holds.setAttribute("role", "presentation");
          holds.append(group);
          list.append(holds);
        }
      }
      if (place === 0) {
        const none = document.createElement("li");
        none.setAttribute("role", "presentation");
        none.className = "muted";
        none.textContent = select.dataset.none;
        list.append(none);
      }
    };
    const open = (text) => {
      fill(text);
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(options().find((option) => option.dataset.value === select.value) || (text ? options()[0] : null));
    };
    const close = () => {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      mark(null);
    };
    const choose = (option) => {
      close();
      const changes = select.value !== option.dataset.value;
      select.value = option.dataset.value;
      input.value = input.title = chosen();
      if (changes) select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => open(""));
    // The words by which one searches are no value of the form.
    for (const name of ["input", "change"])
      input.addEventListener(name, (event) => {
        event.stopPropagation();
        if (name === "input") open(input.value);
      });
    input.addEventListener("blur", () => {
      close();
      input.value = chosen();
    });
    input.addEventListener("keydown", (event) => {
      const all = options();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) open("");
        const now = options();
        const step = event.key === "ArrowDown" ? 1 : -1;
        mark(now[(now.indexOf(active) + step + now.length) % now.length] || null);
      } else if (event.key === "Enter" && !list.hidden) {
        event.preventDefault();
        if (active) choose(active);
        else if (all.length === 1) choose(all[0]);
      } else if (event.key === "Enter" && !select.value) {
        event.preventDefault();
        open("");
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        event.stopPropagation();
        close();
        input.value = chosen();
      } else if (event.key === "Tab" && !list.hidden && active && input.value && plain(input.value) !== plain(chosen())) {
        choose(active);
      }
    });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) choose(option);
    });
  };

  const boxes = (search) => {
    const list = document.getElementById(search.dataset.filters);
    if (!list) return;
    search.hidden = false;
    const none = document.createElement("p");
    none.className = "muted";
    none.setAttribute("role", "status");
    none.textContent = search.dataset.none;
    none.hidden = true;
    list.after(none);
    for (const name of ["input", "change"])
      search.addEventListener(name, (event) => {
        event.stopPropagation();
        const word = plain(search.value);
        const all = [...list.querySelectorAll(".check")];
        for (const box of all) box.hidden = !plain(box.textContent).includes(word) && !box.querySelector("input").checked;
        none.hidden = all.some((box) => !box.hidden);
      });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      // What alone is left of the list is what was meant.
      const left = [...list.querySelectorAll(".check:not([hidden]) input:not(:checked)")];
      if (search.value && left.length === 1) left[0].click();
    });
  };

  const dress = () => {
    for (const select of document.querySelectorAll("select[data-combo]:not([hidden])")) combo(select);
    for (const search of document.querySelectorAll("input[data-filters][hidden]")) boxes(search);
  };
  dress();
  // Before the keeper of the focus looks for the input that a form begins with.
  document.addEventListener("htmx:afterSwap", dress);
  document.addEventListener("htmx:oobAfterSwap", dress);
})();
