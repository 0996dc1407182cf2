// The search of the built site, as its own worker does it: prints the pages that are found for each word, best first.
// node searching.mjs SITE WORD...
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [site, ...words] = process.argv.slice(2);
const folder = join(site, "assets", "javascripts", "workers");
const script = readdirSync(folder).find((name) => name.endsWith(".js"));

let receive;
let answered;
const inside = {
  console,
  addEventListener: (_, listener) => (receive = listener),
  postMessage: (message) => answered(message),
};
inside.self = inside;
vm.runInNewContext(readFileSync(join(folder, script), "utf-8"), inside);

const ask = (type, data) =>
  new Promise((resolve) => {
    answered = resolve;
    receive({ data: { type, data } });
  });

const index = JSON.parse(readFileSync(join(site, "search", "search_index.json"), "utf-8"));
await ask(0, { ...index, options: { suggest: true } });
const found = {};
for (const word of words) {
  const { data } = await ask(2, word);
  found[word] = data.items.map(([{ location }]) => location.split("#")[0]);
}
console.log(JSON.stringify(found));
