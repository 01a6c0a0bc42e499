// Words of the headings: what they mean is shown beside them, for the mouse and for the keyboard.
const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
document.body.append(tip);

function explain(word) {
  tip.textContent = word.dataset.tip;
  tip.hidden = false;
  word.setAttribute("aria-describedby", "tip");
  const box = word.getBoundingClientRect(), own = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - own.width - 8))}px`;
  tip.style.top = `${box.bottom + own.height + 8 < innerHeight ? box.bottom + 6 : box.top - own.height - 6}px`;
}

function hush(word) {
  tip.hidden = true;
  word.removeAttribute("aria-describedby");
}

for (const word of document.querySelectorAll(".term")) {
  word.addEventListener("mouseenter", () => explain(word));
  word.addEventListener("focus", () => explain(word));
  for (const end of ["mouseleave", "blur"]) word.addEventListener(end, () => hush(word));
  word.addEventListener("keydown", (event) => { if (event.key === "Escape") hush(word); });
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });
