// The messages between a card and its host: https://apps.extensions.modelcontextprotocol.io (2026-01-26).
const LIMIT = 60000;
const waiting = new Map(), hear = {};
let last = 0, ended = false;
const say = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
const ask = (method, params) => new Promise((resolve, reject) => {
  const id = ++last;
  const timer = setTimeout(() => settle({ id, error: { message: "The application does not answer." } }), LIMIT);
  waiting.set(id, { resolve, reject, timer });
  say({ id, method, params });
});
const settle = ({ id, result, error }) => {
  const asked = waiting.get(id);
  if (!asked) return;
  waiting.delete(id);
  clearTimeout(asked.timer);
  if (error) asked.reject(new Error(String(error.message || "")));
  else asked.resolve(result || {});
};
const dress = ({ theme, styles }) => {
  const style = document.documentElement.style;
  if (theme === "light" || theme === "dark") style.colorScheme = theme;
  for (const [name, value] of Object.entries((styles && styles.variables) || {})) {
    if (name.startsWith("--") && typeof value === "string") style.setProperty(name, value);
  }
};
hear["ui/notifications/host-context-changed"] = dress;
addEventListener("message", ({ source, data }) => {
  if (source !== parent || !data || data.jsonrpc !== "2.0") return;
  if (data.method === undefined) settle(data);
  else if (data.id !== undefined) {
    if (data.method === "ui/resource-teardown") ended = true;
    say({ id: data.id, result: {} });
  } else if (hear[data.method]) hear[data.method](data.params || {});
});
const $ = (id) => document.getElementById(id);
const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const words = (result) => (result.content || []).filter((block) => block.type === "text")
  .map((block) => block.text).join("\n");
const connect = async () => {
  const told = await ask("ui/initialize", {
    appInfo: { name: "whatsapp-mcp", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline"] },
    protocolVersion: "2026-01-26",
  });
  dress(told.hostContext || {});
  say({ method: "ui/notifications/initialized" });
  new ResizeObserver(() => {
    const { width, height } = document.body.getBoundingClientRect();
    say({ method: "ui/notifications/size-changed", params: { width: Math.ceil(width), height: Math.ceil(height) } });
  }).observe(document.body);
  return told.hostCapabilities || {};
};
