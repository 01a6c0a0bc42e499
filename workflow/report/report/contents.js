// Contents: folded on phones, the section in view is marked; what a link or a printer needs is unfolded.
"use strict";
const contents = document.querySelector("nav details"), wide = matchMedia("(min-width: 64rem)");
const settle = () => { contents.open = wide.matches; };
settle();
wide.addEventListener("change", settle);
contents.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});

const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
  const current = [...links.keys()].find((id) => seen.has(id));
  if (!current) return;
  for (const link of links.values()) link.removeAttribute("aria-current");
  links.get(current).setAttribute("aria-current", "location");
}, { rootMargin: "-10% 0px -70% 0px" });
for (const id of links.keys()) watcher.observe(document.getElementById(id));

// A link into folded details opens them.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
