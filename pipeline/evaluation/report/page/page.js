"use strict";
(() => {
  const picked = new Set();
  const marked = [...document.querySelectorAll("[data-row]")];
  const show = () => {
    document.body.classList.toggle("picking", picked.size > 0);
    for (const one of marked) {
      const on = picked.has(one.dataset.row);
      one.classList.toggle("picked", on);
      if (one.matches("button")) one.setAttribute("aria-pressed", String(on));
    }
    for (const one of document.querySelectorAll(".picker .all")) one.hidden = picked.size === 0;
  };
  const toggle = (row) => {
    if (!picked.delete(row)) picked.add(row);
    show();
  };
  document.addEventListener("click", (event) => {
    const key = event.target.closest(".picker .key, .chart .series");
    if (key) toggle(key.dataset.row);
    else if (event.target.closest(".picker .all")) {
      picked.clear();
      show();
    }
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.group:not([open]), #run details:not([open])")];
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });
})();
