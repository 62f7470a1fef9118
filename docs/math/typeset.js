// Every equation of a page, which the build has put between \( \) or \[ \], becomes MathML.
document.addEventListener("DOMContentLoaded", () => {
  for (const node of document.querySelectorAll(".arithmatex")) {
    const text = node.textContent.trim();
    temml.render(text.slice(2, -2), node, { displayMode: text.startsWith("\\[") });
  }
});
