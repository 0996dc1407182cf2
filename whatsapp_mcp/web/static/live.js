// Puts the new state of a page in place of the old one. Without scripts the page loads itself again.
"use strict";
const seconds = Number(document.currentScript.dataset.seconds);
async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = document.getElementById("live");
    const next = found.getElementById("live");
    if (next === null) return location.reload();
    if (next.innerHTML !== shown.innerHTML) shown.replaceChildren(...next.childNodes);
    document.title = found.title;
    if (found.querySelector("script") === null) return;
  } catch {
    // The server is gone for a moment: it may come back.
  }
  setTimeout(look, seconds * 1000);
}
setTimeout(look, seconds * 1000);
