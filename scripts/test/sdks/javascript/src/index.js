// The JavaScript SDK's template, with key-value, variables and an outgoing request.
import { AutoRouter } from "itty-router";
import { Store } from "fermyon:spin/key-value@2.0.0";
import { get as variable } from "fermyon:spin/variables@2.0.0";
import { generateEmbeddings } from "fermyon:spin/llm@2.0.0";

const router = AutoRouter();
const text = (body, status = 200) => new Response(body, { status, headers: { "content-type": "text/plain" } });

// The interfaces throw the error of a result as `payload`.
const failure = (call) => {
  try {
    return text(JSON.stringify(call()));
  } catch (error) {
    return text(JSON.stringify(error.payload ?? String(error)), 502);
  }
};

router
  .get("/", () => text("Hello from JavaScript!"))
  .get("/store", ({ query }) => {
    const value = Store.open("default").get(query.key);
    return value === undefined ? text("no value", 404) : text(new TextDecoder().decode(value));
  })
  .put("/store", async (request) => {
    Store.open("default").set(request.query.key, new Uint8Array(await request.arrayBuffer()));
    return text("stored");
  })
  .get("/variable", ({ query }) => text(variable(query.name)))
  .get("/outgoing", async ({ query }) => {
    const answer = await fetch(query.url);
    return text(await answer.text(), answer.status);
  })
  .get("/denied", ({ query }) => failure(() => Store.open(query.store)))
  .get("/llm", () => failure(() => generateEmbeddings("all-minilm-l6-v2", ["Hello?"])));

addEventListener("fetch", (event) => event.respondWith(router.fetch(event.request)));
