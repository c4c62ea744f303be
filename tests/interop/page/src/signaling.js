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

/** Of requests with an id. */
const REQUEST_TIMEOUT_MS = 5000;

/** The server's refusal of a request. */
export class RefusedError extends Error {
  name = "RefusedError";
}

/**
 * The WebSocket, used the way classroom frontends have always used it: a reply is known by its
 * type alone, so there are never two requests of one type on their way. An `error` says nothing
 * about its request; as replies come in the order of the requests, it belongs to the oldest one.
 *
 * With ids, an extension, it is used as new frontends do.
 *
 * Fires `message` (a CustomEvent whose detail is `{type, data}`) for everything that is no reply.
 */
export class Signaling extends EventTarget {
  #socket;
  #usesIds;
  #lastId = 0;
  #pending = [];
  #lastOfType = new Map();

  /**
   * Connect; resolves when the socket is open.
   *
   * @param {string} url
   * @param {object} [options]
   * @param {boolean} [options.usesIds] whether to give each request an id, by which its reply is
   *   known: there may then be several of one type
   * @param {number} [options.timeoutMs] how long that may take
   */
  static async open(url, { usesIds = false, timeoutMs } = {}) {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onclose = () => reject(new Error(`cannot connect to ${url}`));
      const giveUp = () => socket.readyState === WebSocket.CONNECTING && socket.close();
      if (timeoutMs) setTimeout(giveUp, timeoutMs);
    });
    return new Signaling(socket, usesIds);
  }

  constructor(socket, usesIds = false) {
    super();
    this.#socket = socket;
    this.#usesIds = usesIds;
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
    if (this.#usesIds) return this.#exchange(type, data, ++this.#lastId);
    const previous = this.#lastOfType.get(type) ?? Promise.resolve();
    const reply = previous.catch(() => {}).then(() => this.#exchange(type, data));
    this.#lastOfType.set(type, reply);
    return reply;
  }

  close() {
    this.#socket.close();
  }

  /** Hear and say nothing more, whatever has become of the connection. */
  abandon() {
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#rejectAll(new Error("the connection was given up"));
  }

  #exchange(type, data, id) {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) throw new Error(`${type}: the connection is closed`);
      this.#pending.push({ id, replyType: REPLY_TYPES[type], resolve, reject });
      this.#socket.send(JSON.stringify({ type, data, id }));
      if (id) setTimeout(() => reject(new Error(`${type}: no answer`)), REQUEST_TIMEOUT_MS);
    });
  }

  #indexOfRequest({ type, id }) {
    if (this.#usesIds) return this.#pending.findIndex((request) => request.id === id);
    return type === "error" ? 0 : this.#pending.findIndex(({ replyType }) => replyType === type);
  }

  #receive({ type, data, id }) {
    const index = this.#indexOfRequest({ type, id });
    const [request] = index < 0 ? [] : this.#pending.splice(index, 1);
    if (!request) this.dispatchEvent(new CustomEvent("message", { detail: { type, data } }));
    else if (type === "error") request.reject(new RefusedError(data.message));
    else request.resolve(data);
  }

  #rejectAll(error) {
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  #fail(error) {
    this.#rejectAll(error);
    this.dispatchEvent(new CustomEvent("message", { detail: { type: "disconnected" } }));
  }
}
