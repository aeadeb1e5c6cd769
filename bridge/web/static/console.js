// The console: a page a section, drawn from /api/v1 and its live stream. What people wrote is only ever set as text.

import { bars, heat } from "./plots.js";

const API = "/api/v1";
const $ = (id) => document.getElementById(id);
const page = { live: null, before: null, me: null, name: "", arg: "", draft: new Map() };

// ---------------------------------------------------------------- the service

class Refused extends Error {
  constructor(status, problem) { super(problem); this.status = status; }
}

function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function get(path, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== "");
  return answer(await fetch(`${API}${path}${said.length ? `?${new URLSearchParams(said)}` : ""}`, { headers: headers() }));
}

async function post(path, body = {}) {
  const key = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
  return answer(await fetch(API + path, {
    method: "POST", body: JSON.stringify(body),
    headers: { ...headers(), "Content-Type": "application/json", "Idempotency-Key": key },
  }));
}

async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body.problem ?? response.statusText);
  return body;
}

async function attempt(doing, done = "") {
  try {
    const found = await doing();
    if (done) say(done);
    return found;
  } catch (error) {
    if (error.status === 401) login();
    else say(error.message);
    return undefined;
  }
}

// ---------------------------------------------------------------- drawing

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Control characters and those that turn the direction of writing are shown by their number, not obeyed.
const ACTS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

function words(text) {
  const shown = document.createElement("bdi");
  for (const piece of String(text).split(/([\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff])/u)) {
    if (ACTS.test(piece)) shown.append(el("span", { class: "mark" }, `U+${piece.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`));
    else shown.append(piece);
  }
  return shown;
}

function table(heads, rows, numbers = []) {
  const side = (index) => (numbers.includes(index) ? { class: "n" } : {});
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((head, index) => el("th", { scope: "col", ...side(index) }, head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, index) => el("td", side(index), cell instanceof Node ? cell : words(cell ?? ""))))))));
}

function figures(pairs) {
  return el("dl", { class: "figures" }, ...pairs.map(([name, value, tone]) => el("div", {}, el("dt", {}, name), el("dd", { class: tone ?? "" }, value))));
}

function facts(pairs) {
  return el("dl", { class: "facts" }, ...pairs.filter(([, value]) => value !== null && value !== "" && value !== undefined).flatMap(([name, value]) => [el("dt", {}, words(name)), el("dd", {}, words(value))]));
}

function card(title, ...children) {
  return el("section", { class: "card" }, title ? el("h2", {}, title) : null, ...children);
}

function draw(title, ...children) {
  document.title = `${title} · smppbridge`;
  $("main").replaceChildren(el("h1", {}, title), ...children.filter(Boolean));
}

let saying = 0;
function say(text) {
  $("said").textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => { $("said").textContent = ""; }, 6000);
}

const number = (n) => (n ?? 0).toLocaleString("en");
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)}%`);
const clock = (moment) => (moment ? new Date(moment).toLocaleString([], { dateStyle: "short", timeStyle: "medium" }) : "");

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) if (seconds >= 2 * length) return `${Math.round(seconds / length)} ${unit}`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

const may = (role) => ["viewer", "agent", "operator"].indexOf(page.me?.role) >= ["viewer", "agent", "operator"].indexOf(role);

// ---------------------------------------------------------------- links

function perSecond(name, way) {
  const [now, before] = [page.live, page.before];
  if (!before || now.time <= before.time || !before.moved?.[name]) return 0;
  return Math.max(0, (now.moved[name][way] - before.moved[name][way]) / (now.time - before.time));
}

function oldest(link) {
  const ages = Object.values(link.queue).map((each) => each.oldest_seconds).filter((age) => age !== null);
  return ages.length ? Math.max(...ages) : null;
}

function drawLinks() {
  const live = page.live;
  if (!live) return draw("Links", el("p", {}, "Waiting for the service …"));
  draw("Links", el("div", { class: "grid" }, ...live.links.map((link) => {
    const waiting = Object.values(link.queue).reduce((sum, each) => sum + each.length, 0);
    const age = oldest(link);
    const tone = link.state === "bound" ? "good" : link.state === "partly bound" ? "warn" : "bad";
    return el("section", { class: "card", "data-link": link.name },
      el("h2", {}, words(link.name), " ", el("span", { class: tone }, link.state), el("span", { class: "quiet" }, ` ${link.since_seconds === null ? "" : `for ${span(link.since_seconds)}`}`)),
      figures([
        ["texts in /s", perSecond(link.name, "in").toFixed(1)], ["messages out /s", perSecond(link.name, "out").toFixed(1)],
        ["receipts /s", perSecond(link.name, "receipts").toFixed(1)], ["throttled", number(live.moved?.[link.name]?.throttled), live.moved?.[link.name]?.throttled ? "warn" : ""],
        ["sessions", number(link.sessions)], ["window", number(link.window)], ["rate", link.rate ? `${number(Math.round(link.rate))}/s` : "any"],
        ["waiting", number(waiting), waiting > link.window ? "warn" : ""], ["oldest reply", span(age), age > 30 ? "bad" : ""],
      ]),
      may("operator") ? el("div", { class: "actions" }, ...(link.detail.startsWith("paused") ? ["resume", "rebind"] : ["pause", "rebind"]).map((what) => el("button", {
        onclick: async (event) => { event.target.blur(); event.target.disabled = true; await attempt(async () => say((await post(`/links/${encodeURIComponent(link.name)}/${what}`)).said)); },
      }, what[0].toUpperCase() + what.slice(1)))) : null,
      el("p", { class: "quiet" }, words(link.peer)), link.detail ? el("p", { class: "problem" }, words(link.detail)) : null,
      ...link.days.map((day) => el("p", { class: "quiet" }, `${day.number || "the link"}: ${number(day.used)} of the ${number(day.of)} messages of the day are used`)));
  })), live.not_ready.length ? card("Not ready", ...live.not_ready.map((line) => el("p", { class: "problem" }, words(line)))) : null);
}

// ---------------------------------------------------------------- inbox

function bubble(row) {
  const out = row.kind === "mt";
  const state = out ? row.state : row.outcome;
  const by = out ? row.by ?? row.template : row.rule;
  return el("div", { class: `bubble ${out ? "out" : "in"}` }, words(row.text),
    el("small", {}, `${clock(out ? row.times.created : row.time)} · ${state}`, by ? " · " : "", words(by ?? "")));
}

function caseList(current) {
  const rows = page.live?.cases ?? [];
  if (!rows.length) return el("p", { class: "quiet" }, "No case is open.");
  return el("ul", { class: "cases" }, ...rows.map((row) => el("li", {}, el("a", {
    href: `#inbox/${row.id}`, "aria-current": String(row.id) === current ? "true" : null, class: row.late ? "late" : "",
  }, el("p", {}, el("strong", {}, words(row.contact)), " ", el("span", { class: "quiet" }, words(`${row.queue}${row.priority === "normal" ? "" : `, ${row.priority}`}`))),
  el("p", {}, words(row.text)),
  el("p", { class: row.late ? "bad" : "quiet" }, words(`${row.agent || "nobody has it"}${row.due ? `, ${row.late ? "was due" : "due"} ${clock(row.due)}` : ""}`))))));
}

function drawInbox() {
  const list = el("div", { class: "list card" }, caseList(page.arg), el("p", { class: "quiet" }, el("kbd", {}, "j"), " ", el("kbd", {}, "k"), " next, previous · ", el("kbd", {}, "t"), " take · ", el("kbd", {}, "r"), " reply"));
  draw("Inbox", el("div", { class: page.arg ? "desk one" : "desk" }, list, el("div", { id: "case" }), el("div", { id: "customer" })));
  if (page.arg) drawCase(page.arg);
}

async function drawCase(id) {
  const found = await attempt(() => get(`/cases/${id}`));
  if (page.name !== "inbox" || page.arg !== id) return;
  if (!found) { $("case")?.replaceChildren(card("", el("p", {}, "That case is not open any more. "), el("a", { href: "#inbox" }, "Back to the inbox"))); return; }
  page.shown = found.messages[0]?.id;
  const typing = document.activeElement?.id === "reply";
  const talk = el("div", { class: "talk", tabindex: "0", role: "log", "aria-label": "What was said" }, ...found.messages.toReversed().map(bubble));
  const act = (path, body, done) => attempt(async () => { await post(`/cases/${id}/${path}`, body); await drawCase(id); }, done);
  const reply = el("textarea", { id: "reply", "aria-label": "Your reply", placeholder: "Your reply; Ctrl+Enter sends it", maxlength: 2000, oninput: () => page.draft.set(id, reply.value) });
  reply.value = page.draft.get(id) ?? "";
  const send = async () => {
    if (!reply.value.trim()) return;
    const text = reply.value;
    await attempt(async () => { await post(`/cases/${id}/reply`, { text }); page.draft.delete(id); await drawCase(id); }, "Sent.");
  };
  reply.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); } });
  const note = el("input", { "aria-label": "A note for colleagues", placeholder: "A note for colleagues", maxlength: 2000 });
  const actions = may("agent") ? [
    el("div", { class: "actions" },
      el("button", { id: "take", onclick: () => act("take", { force: Boolean(found.agent) }, "It is yours.") }, found.agent ? "Take over" : "Take"),
      el("button", { onclick: () => act("close", { resolved: true }, "Closed as resolved.") }, "Close, resolved"),
      el("button", { onclick: () => act("close", { resolved: false }, "Closed.") }, "Close, unresolved")),
    reply, el("div", { class: "actions" }, el("button", { class: "main", id: "send", onclick: send }, "Send")),
    el("form", { class: "row", onsubmit: (event) => { event.preventDefault(); if (note.value) act("note", { text: note.value }, "Noted."); } }, note, el("button", {}, "Note")),
  ] : [el("p", { class: "quiet" }, "Your role may look only.")];
  $("case").replaceChildren(card("", el("p", {}, el("a", { href: "#inbox" }, "← Inbox"), " ", el("strong", {}, words(found.contact)), " ", el("span", { class: "quiet" }, words(`${found.queue}, ${found.priority}; ${found.agent || "nobody"} has it`))), talk, ...actions));
  const customer = found.customer;
  $("customer").replaceChildren(card("Customer", facts([
    ["number", customer.number], ["region", customer.region], ["kind", customer.type], ["zone", customer.zones?.[0]], ["language", customer.language],
    ["state", found.conversation.state], ["case", `${found.id}, since ${clock(found.opened)}`], ["due", clock(found.due)], ["tags", found.tags.join(", ")], ...Object.entries(customer.profile ?? {}),
  ]), found.notes.length ? el("h3", {}, "Notes") : null, ...found.notes.map((each) => el("p", {}, el("span", { class: "quiet" }, words(`${clock(each.time)} ${each.by}: `)), words(each.text)))));
  talk.scrollTop = talk.scrollHeight;
  if (typing) { reply.focus(); reply.setSelectionRange(reply.value.length, reply.value.length); }
}

function liveInbox() {
  const list = document.querySelector(".desk .list");
  if (!list) return;
  const held = document.activeElement?.getAttribute("href");
  list.firstChild.replaceWith(caseList(page.arg));
  if (held) list.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
  const row = page.live.cases.find((each) => String(each.id) === page.arg);
  const old = page.before?.cases.find((each) => String(each.id) === page.arg);
  if (page.arg && page.live.commit !== page.before?.commit && (row || old)) drawCase(page.arg);
}

// ---------------------------------------------------------------- messages

async function drawMessages() {
  const given = new URLSearchParams(page.arg);
  const ask = el("input", { id: "words", type: "search", value: given.get("words") ?? "", placeholder: "text, number, rule, message_id" });
  const state = el("input", { id: "state", value: given.get("state") ?? "", placeholder: "escalated, failed …", size: 14 });
  const rows = el("div", {});
  draw("Messages", el("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); location.hash = `messages/${new URLSearchParams({ words: ask.value, state: state.value })}`; } },
    el("label", {}, "Find ", ask), el("label", {}, "State ", state), el("button", { class: "main" }, "Find")), rows);
  const more = async (before) => {
    const found = await attempt(() => get("/messages", { words: ask.value, state: state.value, limit: 50, before }));
    if (!found) return;
    rows.append(table(["id", "time", "", "customer", "text", "state"], found.items.map((row) => {
      const out = row.kind === "mt";
      return [String(row.id), clock(out ? row.times.created : row.time), out ? "→" : "←", out ? row.to : row.from, words(row.text), out ? row.state : row.outcome];
    }), [0]));
    if (found.next) { const button = el("button", { onclick: () => { button.remove(); more(found.next); } }, "Older ones"); rows.append(button); }
    else if (!found.items.length) rows.append(el("p", { class: "quiet" }, "No message has that."));
  };
  await more(0);
}

// ---------------------------------------------------------------- reports

async function drawReports() {
  const days = page.arg || "7";
  const chosen = el("select", { "aria-label": "Of which days", onchange: () => { location.hash = `reports/${chosen.value}`; } },
    ...["1", "7", "28", "90"].map((n) => el("option", { value: n, selected: n === days }, n === "1" ? "today" : `the last ${n} days`)));
  draw("Reports", el("p", {}, chosen), el("div", { id: "report" }, el("p", { class: "quiet" }, "Counting …")));
  const [found, taught] = (await attempt(() => Promise.all([get("/reports", { days }), get("/reports/suggestions", { days })]))) ?? [];
  if (!found || !$("report")) return;
  const { volume, response, resolution, satisfaction, topics, failures, unmatched } = found;
  $("report").replaceChildren(
    card("", figures([["texts", number(volume.total)], ["inquiries", number(resolution.inquiries)], ["resolved automatically", percent(resolution.automated_share)],
      ["first answer, mean", span(response.automated.mean_s)], ["by people, mean", span(response.human.mean_s)], ["satisfaction", satisfaction.mean === null ? "–" : `${satisfaction.mean.toFixed(2)} of 5`], ["failed", percent(failures.rate)]])),
    el("div", { class: "grid" },
      card(`Texts by weekday and hour (${volume.zone})`, heat(volume.by_weekday_and_hour)),
      card("Time to the first answer", bars(response.automated.histogram.filter((each) => each.count).map((each) => [each.up_to_s === null ? "longer" : `≤ ${span(each.up_to_s)}`, each.count]), "Time to the first answer"),
        facts([["half within", span(response.automated.p50_s)], ["90% within", span(response.automated.p90_s)], ["99% within", span(response.automated.p99_s)], ["by people, half within", span(response.human.p50_s)]])),
      card("Resolution", bars([["automatically", resolution.automated], ["by people", resolution.by_agents], ["handed over", resolution.handed_over], ["reopened", resolution.reopened]], "Resolution")),
      card("Satisfaction", bars(Object.entries(satisfaction.values).map(([value, n]) => [`${value} of 5`, n]), "Satisfaction"), facts([["asked", number(satisfaction.asked)], ["answered", percent(satisfaction.answered_share)]])),
      card("Topics", bars(topics.topics.slice(0, 12).map((each) => [each.rule || each.layer, each.count]), "Topics")),
      card("Failures", ...["link", "network", "template", "code"].filter((what) => failures.by[what]).map((what) => [what, failures.by[what]]).map(([what, rows]) => rows.length ? el("div", {}, el("h3", {}, words(what)), bars(rows.slice(0, 8).map((each) => [each[what], each.failed, `${number(each.failed)} of ${number(each.ended)}`]), `Failures by ${what}`)) : el("p", { class: "quiet" }, `${what}: none`)))),
    card("Texts that no rule knew", unmatched.clusters.length ? table(["texts", "as"], taught.clusters.slice(0, 12).map((group) => [String(group.count), group.texts.slice(0, 4).join(" · ")]), [0]) : el("p", { class: "quiet" }, "Every text was known.")));
}

// ---------------------------------------------------------------- rules

async function drawRules() {
  const found = await attempt(() => get("/rules"));
  if (!found) return;
  const text = el("input", { id: "try", required: true, maxlength: 2000, placeholder: "a text that a customer could send" });
  const to = el("select", { "aria-label": "The service number" }, ...found.brands.flatMap((brand) => brand.numbers).map((each) => el("option", { value: each }, each)));
  const why = el("div", { role: "status" });
  const explain = async (event) => {
    event.preventDefault();
    const said = await attempt(() => post("/rules/explain", { text: text.value, number: to.value }));
    if (said) why.replaceChildren(...said.replies.map((reply) => el("div", { class: "bubble" }, words(reply))), el("h3", {}, "Why"), ...said.why.map((line) => el("p", {}, words(line))));
  };
  draw("Rules", card(`In force: ${found.version}`, el("p", { class: "quiet" }, words(found.files.join(", "))),
    may("operator") ? el("button", { onclick: () => attempt(async () => say((await post("/rules/reload")).said)) }, "Take the files anew") : null),
  card("Why this answer", el("form", { class: "row", onsubmit: explain }, el("label", {}, "Text ", text), el("label", {}, "To ", to), el("button", { class: "main" }, "Explain")), why),
  ...found.brands.map((brand) => card(`Brand ${brand.name}`, facts([["numbers", brand.numbers.join(", ")], ["languages", brand.languages.join(", ")], ["zone", brand.timezone], ["queues", brand.queues.join(", ")], ["flows", brand.flows.join(", ")], ["templates", brand.templates.join(", ")]]))));
}

// ---------------------------------------------------------------- the page

const PAGES = { links: drawLinks, inbox: drawInbox, messages: drawMessages, reports: drawReports, rules: drawRules };
const LIVE = { links: drawLinks, inbox: liveInbox };

function go() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  page.name = name in PAGES ? name : "links";
  page.arg = rest.join("/");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${page.name}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  PAGES[page.name]();
}

function login() {
  if ($("login").open) return;
  $("login").showModal();
}

$("login").addEventListener("close", async () => {
  sessionStorage.setItem("token", $("token").value);
  $("token").value = "";
  await begin();
});

document.addEventListener("keydown", (event) => {
  if (page.name !== "inbox" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const ids = (page.live?.cases ?? []).map((row) => String(row.id));
  const at = ids.indexOf(page.arg);
  if (event.key === "j" && ids.length) location.hash = `inbox/${ids[Math.min(at + 1, ids.length - 1)]}`;
  else if (event.key === "k" && ids.length) location.hash = `inbox/${ids[Math.max(at - 1, 0)]}`;
  else if (event.key === "t") $("take")?.click();
  else if (event.key === "r" && $("reply")) { event.preventDefault(); $("reply").focus(); }
});

function show(state) {
  page.before = page.live;
  page.live = state;
  $("ready").textContent = state.not_ready.length ? "not ready" : "ready";
  $("ready").className = state.not_ready.length ? "bad" : "good";
  $("open-cases").hidden = !state.cases.length;
  $("open-cases").textContent = String(state.cases.length);
  if ($("main").contains(document.activeElement) && page.name === "links" && document.activeElement !== $("main")) return;
  LIVE[page.name]?.();
}

let watching = 0;
async function watch(turn) {
  // EventSource cannot bring a token.
  while (turn === watching) {
    try {
      const response = await fetch(`${API}/live`, { headers: headers() });
      if (response.status === 401) return login();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const data = block.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
          if (data && block.startsWith("event: state")) show(JSON.parse(data));
        }
      }
    } catch { /* said below */ }
    $("ready").textContent = "the service does not answer";
    $("ready").className = "bad";
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
  }
}

async function begin() {
  try {
    page.me = await get("/me");
  } catch (error) {
    $("login-problem").textContent = sessionStorage.getItem("token") && error.status === 401 ? "No such token." : "";
    if (error.status === 401) return login();
    say(error.message);
    setTimeout(begin, 2000);
    return;
  }
  $("who").textContent = `${page.me.name}, ${page.me.role}`;
  go();
  watching += 1;
  watch(watching);
}

window.addEventListener("hashchange", go);
begin();
