import { Device } from "mediasoup-client";
import { brightness, LoudnessMeter, PictureMeter, streamStats } from "./meters.js";
import { Returning } from "./returning.js";
import { Signaling } from "./signaling.js";
import { pictures, sounds } from "./sources.js";

/**
 * One person's side of a class. What it does, in which order, is what old frontends do; if it is to
 * come back by itself, it does what new ones do: it uses ids, takes up offers to restart ICE, and
 * makes anew what is lost.
 */
export class Classroom {
  /** Everything that came from the server and was no reply, oldest first. */
  events = [];
  /** What went wrong while an event was handled. */
  problems = [];

  #url;
  #person;
  #rejoinToken;
  #returning = null;
  #isWatching = false;
  #shared = [];
  #signaling;
  #device;
  #mediaAddress;
  #joinedAtMs;
  #transports = new Map();
  #producers = [];
  #received = [];
  #wanted = new Set();

  /**
   * Connect and join.
   *
   * @param {object} options
   * @param {string} options.url of the WebSocket
   * @param {object} options.person `{roomId, peerId, name, isTeacher}`
   * @param {{ip: string, port: number}} [options.mediaAddress] where to send media instead of to
   *   the server's candidates, for a relay on the way
   * @param {boolean} [options.comesBack] whether to be a new frontend
   * @returns {Promise<object>} what the server said
   */
  async join({ url, person, mediaAddress, comesBack = false }) {
    document.getElementById("who").textContent = person.name;
    this.#mediaAddress = mediaAddress;
    this.#url = url;
    this.#person = person;
    if (comesBack) this.#returning = new Returning((timeoutMs) => this.#joinAgain(timeoutMs));
    this.#joinedAtMs = performance.now();
    const joined = await this.#enter();
    this.#device = await Device.factory();
    await this.#device.load({ routerRtpCapabilities: joined.rtpCapabilities });
    return joined;
  }

  /** Connect without joining, to see what is refused then. */
  async connect(url) {
    this.#signaling = await Signaling.open(url);
  }

  /** Send any request; the reply's data, or an Error with the server's message. */
  request(type, data) {
    return this.#signaling.request(type, data);
  }

  /**
   * The teacher shares a picture and a sound, in stereo if it has two channels.
   *
   * @param {object} options
   * @param {string} options.mimeType the video codec, "video/H264" or "video/VP8"
   * @param {"camera" | "screen" | "noise"} options.picture
   * @param {"leftTone" | "microphone"} options.sound
   */
  async share({ mimeType, picture, sound }) {
    const codec = this.#device.sendRtpCapabilities.codecs.find(
      (candidate) => candidate.mimeType === mimeType,
    );
    if (!codec) throw new Error(`this browser does not send ${mimeType}`);
    await this.#publish({ track: await pictures[picture](), codec });
    const codecOptions = { opusStereo: true, opusDtx: true };
    await this.#publish({ track: await sounds[sound](), codecOptions });
  }

  /** End one's own media, as old frontends do: the server is not told. */
  stopSharing() {
    this.#shared = [];
    for (const producer of this.#producers.splice(0)) producer.close();
  }

  /** The same with the server told, by the extension. */
  async closeProducers() {
    for (const { id } of this.#producers) await this.request("closeProducer", { producerId: id });
    this.stopSharing();
  }

  /** Receive whatever there is, and from now on what is announced. */
  async watch() {
    this.#isWatching = true;
    await this.#transport("recv");
    for (const { producerId } of await this.request("getProducers", {})) {
      await this.consume(producerId);
    }
  }

  /** Receive one producer. */
  async consume(producerId) {
    // A producer may be announced while the list that holds it is being worked through.
    if (this.#wanted.has(producerId)) return;
    this.#wanted.add(producerId);
    const transport = await this.#transport("recv");
    const { consumerId, kind, rtpParameters } = await this.request("consume", {
      producerId,
      rtpCapabilities: this.rtpCapabilities,
    });
    const consumer = await transport.consume({ id: consumerId, producerId, kind, rtpParameters });
    this.#received.push(present(consumer));
    await this.request("resumeConsumer", { consumerId });
  }

  /** Speak; push-to-talk then only mutes the track. */
  async talk() {
    await this.#publish({ track: await sounds.microphone() });
  }

  /** Push-to-talk: let the microphone through or not. */
  setTalking(enabled) {
    this.#producers.find(({ kind }) => kind === "audio").track.enabled = enabled;
  }

  /** Say something in the chat. */
  chat(content, timestamp) {
    this.#signaling.send("chatMessage", { content, timestamp });
  }

  /** Restart ICE of one transport, by the extension. */
  async restartIce(direction) {
    const { iceParameters } = await this.request("restartIce", { direction });
    const transport = await this.#transports.get(direction);
    await transport.restartIce({ iceParameters });
  }

  /** Go away without a word but the end of the connection. */
  async disconnect() {
    this.#returning?.stop();
    this.#shared = [];
    this.#isWatching = false;
    this.#signaling.close();
    await this.#discard("send");
    await this.#discard("recv");
  }

  /** State of the send and the receive transport: "connected" is what one hopes for. */
  async transportStates() {
    const states = {};
    for (const [direction, transport] of this.#transports) {
      states[direction] = (await transport).connectionState;
    }
    return states;
  }

  /** What one can consume, as the requests want it. */
  get rtpCapabilities() {
    return this.#device.recvRtpCapabilities;
  }

  /** Statistics of each producer, oldest first. */
  sent() {
    return Promise.all(
      this.#producers.map(async (producer) => ({
        producerId: producer.id,
        ...streamStats(await producer.getStats(), "outbound-rtp"),
        kind: producer.kind,
      })),
    );
  }

  /** Statistics of each consumer, oldest first, with what was seen and heard of it. */
  received() {
    return Promise.all(
      this.#received.map(async ({ consumer, video, pictures, loudness }) => ({
        consumerId: consumer.id,
        producerId: consumer.producerId,
        ...streamStats(await consumer.getStats(), "inbound-rtp"),
        kind: consumer.kind,
        ...(video && {
          firstPictureMs: pictures.firstPictureAtMs && pictures.firstPictureAtMs - this.#joinedAtMs,
          longestGapMs: pictures.longestGapMs,
          pictures: pictures.count,
          lastPictureMs: pictures.lastPictureAtMs && performance.now() - pictures.lastPictureAtMs,
          width: video.videoWidth,
          height: video.videoHeight,
          brightness: brightness(video),
        }),
        ...(loudness && { loudness: loudness.read() }),
      })),
    );
  }

  /** From now on look for gaps between the pictures. */
  restartPictureMeters() {
    for (const { pictures } of this.#received) pictures?.restart();
  }

  /** Open a connection and take a seat, the one from before if there was one. */
  async #enter(timeoutMs) {
    const signaling = await Signaling.open(this.#url, {
      usesIds: this.#returning !== null,
      timeoutMs,
    });
    signaling.addEventListener("message", ({ detail }) => this.#onEvent(detail));
    this.#signaling?.abandon();
    this.#signaling = signaling;
    const joined = await this.request("join", { ...this.#person, rejoinToken: this.#rejoinToken });
    this.#rejoinToken = joined.rejoinToken;
    return joined;
  }

  async #joinAgain(timeoutMs) {
    await this.#enter(timeoutMs);
    await this.#renew("send");
    await this.#renew("recv");
  }

  /** Make a transport anew, and all that ran over it. */
  async #renew(direction) {
    await this.#discard(direction);
    if (direction === "recv") {
      if (this.#isWatching) await this.watch();
      return;
    }
    for (const options of this.#shared) await this.#produce(options);
  }

  async #discard(direction) {
    const transport = await this.#transports.get(direction)?.catch(() => null);
    this.#transports.delete(direction);
    if (transport) {
      this.#returning?.forget(transport);
      transport.close();
    }
    if (direction === "send") {
      this.#producers = [];
    } else {
      for (const { element } of this.#received.splice(0)) element.remove();
      this.#wanted.clear();
    }
  }

  /** The transport of a direction, made at its first use. */
  #transport(direction) {
    if (!this.#transports.has(direction)) {
      this.#transports.set(direction, this.#createTransport(direction));
    }
    return this.#transports.get(direction);
  }

  async #createTransport(direction) {
    const { id, iceParameters, iceCandidates, dtlsParameters } = await this.request(
      "createTransport",
      { direction },
    );
    const options = { id, iceParameters, dtlsParameters, iceCandidates };
    if (this.#mediaAddress) options.iceCandidates = [this.#viaRelay(iceCandidates[0])];
    const transport =
      direction === "send"
        ? this.#device.createSendTransport(options)
        : this.#device.createRecvTransport(options);
    transport.on("connect", ({ dtlsParameters }, done, fail) =>
      this.request("connectTransport", { direction, dtlsParameters }).then(done, fail),
    );
    transport.on("produce", ({ kind, rtpParameters }, done, fail) =>
      this.request("produce", { kind, rtpParameters }).then(
        ({ producerId }) => done({ id: producerId }),
        fail,
      ),
    );
    this.#returning?.watch(transport);
    return transport;
  }

  #viaRelay(candidate) {
    const { ip, port } = this.#mediaAddress;
    return { ...candidate, ip, address: ip, port };
  }

  async #publish(options) {
    this.#shared.push(options);
    await this.#produce(options);
  }

  async #produce(options) {
    const transport = await this.#transport("send");
    const stopTracks = this.#returning === null;
    this.#producers.push(await transport.produce({ ...options, stopTracks }));
  }

  async #onEvent({ type, data }) {
    this.events.push({ type, data });
    try {
      if (type === "newProducer") await this.consume(data.producerId);
      if (type === "producerClosed") this.#drop(data.producerId);
      if (type === "chatMessage") showChat(data);
      if (this.#returning) await this.#goOn(type, data);
    } catch (error) {
      this.problems.push(`${type}: ${error.message}`);
    }
  }

  /** What only new frontends know. */
  async #goOn(type, data) {
    if (type === "disconnected") await this.#returning.comeBack();
    if (type === "transportClosed") await this.#renew(data.direction);
    if (type === "iceRestart") {
      const transport = await this.#transports.get(data.direction);
      const isCurrent = transport?.id === data.transportId;
      if (isCurrent) await transport.restartIce({ iceParameters: data.iceParameters });
    }
  }

  #drop(producerId) {
    const index = this.#received.findIndex(({ consumer }) => consumer.producerId === producerId);
    if (index < 0) return;
    const [{ consumer, element }] = this.#received.splice(index, 1);
    consumer.close();
    element.remove();
  }
}

/** Show or play a consumer's track, and measure it. */
function present(consumer) {
  const element = document.createElement(consumer.kind);
  element.autoplay = true;
  element.srcObject = new MediaStream([consumer.track]);
  document.getElementById("media").append(element);
  return consumer.kind === "video"
    ? { consumer, element, video: element, pictures: new PictureMeter(element) }
    : { consumer, element, loudness: new LoudnessMeter(element.srcObject) };
}

function showChat({ senderName, content }) {
  document.getElementById("chat").append(`${senderName}: ${content}\n`);
}
