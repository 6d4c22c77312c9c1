"use strict";
(() => {
  const rows = [...document.querySelectorAll(".finding")];
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const boxes = [...document.querySelectorAll(".tools input[type=checkbox]")];
  if (!search || !shown) return;
  const texts = rows.map((row) => row.dataset.text);
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    rows.forEach((row, at) => {
      const kind = row.classList.contains("accepted") ? "accepted" : row.dataset.severity;
      const visible = wanted.has(kind) && words.every((word) => texts[at].includes(word));
      if (row.hidden === visible) row.hidden = !visible;
      count += visible ? 1 : 0;
    });
    shown.textContent = `${count} of ${rows.length}`;
  };
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 60); });
  boxes.forEach((box) => box.addEventListener("change", apply));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });
  const open = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (target && target.tagName === "DETAILS") { target.hidden = false; target.open = true; target.scrollIntoView(); }
  };
  window.addEventListener("hashchange", open);
  let closed = [];
  window.addEventListener("beforeprint", () => { closed = rows.filter((row) => !row.open); closed.forEach((row) => { row.open = true; }); });
  window.addEventListener("afterprint", () => { closed.forEach((row) => { row.open = false; }); });
  apply();
  open();
})();
