"use strict";
(() => {
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  if (!search || !shown) return;
  const boxes = [...document.querySelectorAll(".tools input[type=checkbox]")];
  const lower = (element) => element.textContent.toLowerCase();
  const show = (element, visible) => { if (element.hidden === visible) element.hidden = !visible; };
  const rows = [...document.querySelectorAll(".row")].map((element) => ({ element, text: lower(element) }));
  const teams = [...document.querySelectorAll(".team")].map((element) => ({
    element, open: element.open,
    images: [...element.querySelectorAll(".image")].map((image) => ({
      element: image, text: `${image.dataset.text} ${lower(image.querySelector("dl"))}`, match: image.querySelector(".match"),
      findings: [...image.querySelectorAll(".finding")].map((finding) => ({ element: finding, text: lower(finding) })),
    })),
  }));
  const total = teams.reduce((sum, team) => sum + team.images.length, 0);
  const sections = [...document.querySelectorAll("section.filtered")];
  const more = document.querySelector(".more");
  const say = (count) => count.toLocaleString("en");
  let searching = false;
  let moreOpen = false;
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const all = wanted.size === boxes.length;
    const may = (data) => (!data.severity || wanted.has(data.severity)) && (!data.change || wanted.has(data.change));
    rows.forEach(({ element, text }) => show(element, may(element.dataset) && words.every((word) => text.includes(word))));
    let images = 0;
    let findings = 0;
    teams.forEach((team) => {
      let some = 0;
      team.images.forEach((image) => {
        const rest = words.filter((word) => !image.text.includes(word));
        let count = 0;
        image.findings.forEach(({ element, text }) => {
          const visible = may(element.dataset) && rest.every((word) => text.includes(word));
          show(element, visible);
          count += visible ? 1 : 0;
        });
        const visible = count > 0 || (all && rest.length === 0);
        show(image.element, visible);
        image.match.textContent = visible && (words.length || !all) ? `${count} shown` : "";
        some += visible ? 1 : 0;
        findings += count;
      });
      show(team.element, some > 0);
      if (words.length && !searching) team.open = team.element.open;
      if (words.length) team.element.open = true;
      else if (searching) team.element.open = team.open;
      images += some;
    });
    const before = searching;
    searching = words.length > 0;
    sections.forEach((section) => show(section, section.querySelector(".row:not([hidden]), .team:not([hidden])") !== null));
    if (more) {
      const count = more.querySelectorAll(".row:not([hidden])").length;
      show(more, count > 0);
      more.querySelector("summary").textContent = `${say(count)} more`;
      if (searching && !before) { moreOpen = more.open; more.open = true; }
      if (!searching && before) more.open = moreOpen;
    }
    shown.textContent = `${say(images)} of ${say(total)} images, ${say(findings)} findings`;
  };
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  boxes.forEach((box) => box.addEventListener("change", apply));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "DETAILS") return;
    for (let at = target; at; at = at.parentElement) {
      at.hidden = false;
      if (at.tagName === "DETAILS") at.open = true;
    }
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  document.addEventListener("click", (event) => { if (event.target.closest("a[href^='#image-']")) setTimeout(open, 0); });
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.row, details.team, .more")].filter((element) => !element.open);
    closed.forEach((element) => { element.open = true; });
  });
  window.addEventListener("afterprint", () => { closed.forEach((element) => { element.open = false; }); });
  apply();
  open();
})();
