/** Which reply ends which request. A chat message has none. */
const REPLY_TYPES = {
  join: "joined",
  getRouterRtpCapabilities: "routerRtpCapabilities",
  createTransport: "transportCreated",
  connectTransport: "transportConnected",
  produce: "produced",
  consume: "consumed",
  resumeConsumer: "consumerResumed",
  getProducers: "producers",
  closeProducer: "producerClosed",
  pauseProducer: "producerPaused",
  resumeProducer: "producerResumed",
  pauseConsumer: "consumerPaused",
  closeConsumer: "consumerClosed",
  restartIce: "iceRestarted",
  leave: "left",
};

/** The server's refusal of a request. */
export class RefusedError extends Error {
  name = "RefusedError";
}

/**
 * The WebSocket, used the way classroom frontends have always used it: a reply is known by its
 * type alone, so there are never two requests of one type on their way. An `error` says nothing
 * about its request; as replies come in the order of the requests, it belongs to the oldest one.
 *
 * Fires `message` (a CustomEvent whose detail is `{type, data}`) for everything that is no reply.
 */
export class Signaling extends EventTarget {
  #socket;
  #pending = [];
  #lastOfType = new Map();

  /** Connect; resolves when the socket is open. */
  static async open(url) {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`cannot connect to ${url}`));
    });
    return new Signaling(socket);
  }

  constructor(socket) {
    super();
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => this.#fail(new Error(`the connection was closed (${code})`));
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Send what has no reply. */
  send(type, data) {
    this.#socket.send(JSON.stringify(data === undefined ? { type } : { type, data }));
  }

  /** Send a request; resolves to its reply's data, rejects with a RefusedError. */
  request(type, data) {
    const previous = this.#lastOfType.get(type) ?? Promise.resolve();
    const reply = previous.catch(() => {}).then(() => this.#exchange(type, data));
    this.#lastOfType.set(type, reply);
    return reply;
  }

  close() {
    this.#socket.close();
  }

  #exchange(type, data) {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) throw new Error(`${type}: the connection is closed`);
      this.#pending.push({ replyType: REPLY_TYPES[type], resolve, reject });
      this.send(type, data);
    });
  }

  #receive({ type, data }) {
    const index =
      type === "error" ? 0 : this.#pending.findIndex(({ replyType }) => replyType === type);
    const [request] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (!request) this.dispatchEvent(new CustomEvent("message", { detail: { type, data } }));
    else if (type === "error") request.reject(new RefusedError(data.message));
    else request.resolve(data);
  }

  #fail(error) {
    for (const { reject } of this.#pending.splice(0)) reject(error);
    this.dispatchEvent(new CustomEvent("message", { detail: { type: "disconnected" } }));
  }
}
