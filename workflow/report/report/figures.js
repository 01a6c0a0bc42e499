// Figures: each opens at its full size in a dialog, which scrolls and closes with Escape.
const dialog = document.createElement("dialog");
const close = document.createElement("button"), held = document.createElement("div"), large = document.createElement("img");
close.type = "button";
close.textContent = "Close";
held.className = "held";
held.tabIndex = 0;
held.append(large);
dialog.append(close, held);
document.body.append(dialog);
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => large.removeAttribute("src"));

for (const frame of document.querySelectorAll("figure .frame")) {
  const button = document.createElement("button"), image = frame.firstElementChild;
  button.type = "button";
  button.className = "frame";
  button.setAttribute("aria-label", `${image.alt}. Enlarge`);
  button.append(image);
  frame.replaceWith(button);
  button.addEventListener("click", () => {
    large.src = image.src;
    large.alt = image.alt;
    dialog.setAttribute("aria-label", image.alt);
    dialog.showModal();
  });
}
