// Guests who write to ten hotels at once, for k6. `make load` starts a mesh and runs this.
//
// Each user posts signed webhooks as Meta does and looks at the guest's phone, which is the fake
// Graph API, for the reply. The mesh's burst pause is 0: what is measured is the mesh, not the
// seconds it gives a guest to go on typing.

import { check, sleep } from "k6";
import crypto from "k6/crypto";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";

// What tests/load/k6.py tells of.
const PLAN = JSON.parse(open(__ENV.CONSERJE_LOAD_PLAN));
const SECONDS = PLAN.seconds || { steady: 300, spike: 300, soak: 3600 }[PLAN.stages];

const USERS = 100;
// A second, while replies come in time: 100 users make 180 webhooks a second.
const POSTS_PER_USER = 1.8;
// Meta takes one message in six seconds to a guest, for long; so many guests take turns.
const PHONES_PER_USER = 30;
const VOICE_NOTES_OF_TEN = 3;
const TEXTS = [
  "hola",
  "¿qué precio tiene una habitación doble?",
  "quiero una habitación doble del 10 al 12 de diciembre para 2",
  "hello, do you have a room for this weekend?",
];

const errors = new Rate("errors");
const webhooks = new Counter("webhooks");
const toReply = new Trend("webhook_to_reply", true);

const ACKNOWLEDGED = "the webhook is acknowledged";
const ANSWERED = "the phone shows a reply";
const LIMITS = [
  { what: "errors", metric: errors, value: "rate", is: "<", bound: 0.01, told: percent },
  { what: "webhook to reply, p95", metric: toReply, value: "p(95)", is: "<", bound: 500, told: ms },
  { what: "webhooks", metric: webhooks, value: "rate", is: ">", bound: 150, told: perSecond },
];

const SCENARIOS = {
  steady: { executor: "constant-vus", vus: USERS, duration: share(1) },
  // Three times as many users, at once, for a fifth of the time.
  spike: {
    executor: "ramping-vus",
    startVUs: USERS,
    stages: [
      { target: USERS, duration: share(0.4) },
      { target: 3 * USERS, duration: "0s" },
      { target: 3 * USERS, duration: share(0.2) },
      { target: USERS, duration: "0s" },
      { target: USERS, duration: share(0.4) },
    ],
  },
  soak: {
    executor: "ramping-vus",
    startVUs: 0,
    stages: [
      { target: USERS, duration: share(0.05) },
      { target: USERS, duration: share(0.9) },
      { target: 0, duration: share(0.05) },
    ],
  },
};

export const options = {
  scenarios: { [PLAN.stages]: SCENARIOS[PLAN.stages] },
  thresholds: {
    // A run in which nobody wrote has no errors either.
    iterations: ["count>0"],
    ...Object.fromEntries(LIMITS.filter(counts).map((one) => [one.metric.name, [threshold(one)]])),
  },
};

// How much of the fake Graph API's record this user has looked at.
let seen = null;

// A user is thirty guests, one after another, each writing to one of the hotels.
export default function () {
  const turn = exec.vu.iterationInScenario;
  // Who all begin at once would all go on writing at once.
  if (turn === 0) sleep(Math.random() / POSTS_PER_USER);
  const begun = Date.now();
  const number = PLAN.numbers[Math.floor(Math.random() * PLAN.numbers.length)];
  const phone = `346${digits(exec.vu.idInTest)}${digits(turn % PHONES_PER_USER)}`;
  let answered = false;
  try {
    answered = write(number, phone, content(number, exec.vu.idInTest + turn));
  } finally {
    errors.add(!answered);
  }
  sleep(Math.max(0, 1 / POSTS_PER_USER - (Date.now() - begun) / 1000));
}

// Whether a message was taken and its guest answered.
function write(number, phone, message) {
  const body = JSON.stringify(webhook(number, phone, message));
  const signature = crypto.hmac("sha256", PLAN.app_secret, body, "hex");
  const headers = {
    "X-Hub-Signature-256": `sha256=${signature}`,
    "Content-Type": "application/json",
  };
  // Users who come late have nothing to look for in what went before.
  if (seen === null) look(number, phone, Number.MAX_SAFE_INTEGER, 0);
  const posted = Date.now();
  const answer = http.post(PLAN.webhook, body, { headers, timeout: "15s" });
  webhooks.add(1);
  if (!check(answer, { [ACKNOWLEDGED]: (it) => it.status === 200 })) return false;
  const replied = replyTime(number, phone, posted);
  if (replied !== null) toReply.add(replied - posted);
  return check(replied, { [ANSWERED]: (it) => it !== null });
}

// When the fake Graph API took the reply, in its own record; null when none came in time.
function replyTime(number, phone, posted) {
  const until = posted + 1000 * PLAN.patience_seconds;
  let left;
  while ((left = (until - Date.now()) / 1000) > 0) {
    const times = look(number, phone, seen, left).map((one) => 1000 * one.time);
    // The reply to an earlier message may have come late.
    const replied = times.find((time) => time >= posted);
    if (replied !== undefined) return replied;
  }
  return null;
}

// What this hotel sent to this phone later than `after`, at once or after up to `wait` seconds.
function look(number, phone, after, wait) {
  const query = `after=${after}&to=${phone}&phone_number_id=${number.phone_number_id}&wait=${wait}`;
  const address = `${PLAN.graph}/control/messages?${query}`;
  // Without a name, k6 would keep a series for every address.
  const asked = { timeout: "15s", tags: { name: "look at the phone" } };
  const shown = http.get(address, asked).json();
  seen = shown.next;
  return shown.messages;
}

function webhook(number, phone, message) {
  const value = {
    messaging_product: "whatsapp",
    metadata: { phone_number_id: number.phone_number_id },
    contacts: [{ profile: { name: "Guest" }, wa_id: phone }],
    messages: [
      {
        from: phone,
        id: `wamid.HBgL${PLAN.run}${digits(exec.vu.idInTest)}${exec.vu.iterationInScenario}`,
        timestamp: String(Math.floor(Date.now() / 1000)),
        ...message,
      },
    ],
  };
  const entry = { id: number.account, changes: [{ field: "messages", value }] };
  return { object: "whatsapp_business_account", entry: [entry] };
}

// Three of each user's ten messages, and of any ten users', are voice notes.
function content(number, turn) {
  if (turn % 10 < VOICE_NOTES_OF_TEN) {
    return { type: "audio", audio: { ...number.voice, voice: true } };
  }
  return { type: "text", text: { body: TEXTS[Math.floor(Math.random() * TEXTS.length)] } };
}

function digits(count) {
  return String(count).padStart(4, "0");
}

function share(part) {
  return `${Math.round(1000 * part * SECONDS)}ms`;
}

// Machines that run other things beside say little about speed: there errors alone count.
function counts(limit) {
  return !PLAN.errors_only || limit.metric === errors;
}

function threshold(limit) {
  return `${limit.value}${limit.is}${limit.bound}`;
}

// Each limit beside what was measured; everything that k6 knows goes to the file of results.
export function handleSummary(data) {
  const failed = Object.fromEntries(data.root_group.checks.map((one) => [one.name, one.fails]));
  const lines = [
    `${measured(data, webhooks, "count")} webhooks to ${PLAN.numbers.length} hotels; burst pause 0`,
    `${failed[ACKNOWLEDGED] || 0} were not acknowledged, ${failed[ANSWERED] || 0} not answered`,
    ...LIMITS.map((limit) => row(limit, measured(data, limit.metric, limit.value))),
  ];
  return { stdout: `\n${lines.join("\n")}\n`, [PLAN.results]: JSON.stringify(data, null, 2) };
}

// A metric that nothing was added to is not there.
function measured(data, metric, value) {
  return metric.name in data.metrics ? data.metrics[metric.name].values[value] : NaN;
}

function row(limit, value) {
  const held = limit.is === "<" ? value < limit.bound : value > limit.bound;
  const bound = `${limit.is} ${limit.told(limit.bound)}`.padEnd(10);
  const verdict = (held ? "held" : "MISSED") + (counts(limit) ? "" : ", not judged");
  return `  ${limit.what.padEnd(24)}${limit.told(value).padStart(10)}   ${bound} ${verdict}`;
}

function percent(value) {
  return `${(100 * value).toFixed(2)} %`;
}

function ms(value) {
  return `${value.toFixed(0)} ms`;
}

function perSecond(value) {
  return `${value.toFixed(0)}/s`;
}
