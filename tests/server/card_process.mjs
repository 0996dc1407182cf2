// Runs the script of a card without a browser: its messages to the host go to stdout, one a line, and what
// comes on stdin is a message of the host, a click, or the question what is to be seen.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import vm from "node:vm";

const html = readFileSync(process.argv[2], "utf8");
const script = html.split("<script>")[1].split("</script>")[0];
const out = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const element = () => ({
  textContent: "", hidden: false, src: "", className: "", value: "", children: [],
  style: { setProperty() {} },
  replaceChildren(...made) { this.children = made; },
});
const elements = {};
for (const [, attributes, text] of html.split("<script>")[0].matchAll(/<(?!\/)([^>]*\bid="[^>]*)>([^<]*)/g)) {
  const id = /\bid="(\w+)"/.exec(attributes)[1];
  elements[id] = Object.assign(element(), { textContent: text, hidden: /\bhidden\b/.test(attributes) });
}
const listeners = [];
const parent = { postMessage: (message) => out({ message }) };
const context = vm.createContext({
  parent, setTimeout, clearTimeout, console,
  addEventListener: (_, listener) => listeners.push(listener),
  document: {
    getElementById: (id) => elements[id],
    createElement: element,
    documentElement: element(),
    body: { getBoundingClientRect: () => ({ width: 300.2, height: 200.2 }) },
  },
  ResizeObserver: class { constructor(look) { this.look = look; } observe() { this.look(); } },
});
vm.runInContext(script, context);
const seen = () => Object.fromEntries(Object.entries(elements).map(([id, each]) => [id, {
  text: each.textContent, hidden: each.hidden, src: each.src, kind: each.className, value: each.value,
  children: each.children.map((child) => child.textContent || child.src),
}]));
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.message) listeners.forEach((listener) => listener({ source: told.forged ? {} : parent, data: told.message }));
  if (told.fill) elements[told.fill].value = told.value;
  if (told.click) elements[told.click].onclick();
  if (told.look) out({ seen: seen() });
}
process.exit(0);
