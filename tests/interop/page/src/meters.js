/** Follows the pictures that a video element really shows. */
export class PictureMeter {
  firstPictureAtMs = null;
  count = 0;
  #longestGapMs = 0;
  #lastPictureAtMs;

  constructor(video) {
    const onPicture = (nowMs) => {
      this.firstPictureAtMs ??= nowMs;
      this.#longestGapMs = this.#gapMs(nowMs);
      this.#lastPictureAtMs = nowMs;
      this.count++;
      video.requestVideoFrameCallback(onPicture);
    };
    video.requestVideoFrameCallback(onPicture);
  }

  /** The longest time without a new picture, the present one included. */
  get longestGapMs() {
    return this.#gapMs(performance.now());
  }

  /** When the latest picture was shown; undefined before the first. */
  get lastPictureAtMs() {
    return this.#lastPictureAtMs;
  }

  /** Forget the gaps so far. */
  restart() {
    this.#longestGapMs = 0;
    this.count = 0;
  }

  #gapMs(nowMs) {
    return Math.max(this.#longestGapMs, nowMs - (this.#lastPictureAtMs ?? nowMs));
  }
}

/** Measures how loud each channel of a sound is. */
export class LoudnessMeter {
  #source;
  #analysers;

  constructor(stream) {
    const context = new AudioContext();
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    // Kept: a browser may throw away a source that nobody refers to, and then there is silence.
    this.#source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    this.#source.connect(splitter);
    this.#analysers = [0, 1].map((channel) => {
      const analyser = new AnalyserNode(context);
      splitter.connect(analyser, channel);
      return analyser;
    });
  }

  /** Root mean square of each channel's latest samples, full scale = 1. */
  read() {
    return this.#analysers.map((analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    });
  }
}

/** Mean brightness (0 to 255) of what a video element shows. */
export function brightness(video) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 18 });
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
  return sum / (3 * canvas.width * canvas.height);
}

/**
 * One stream's figures out of a getStats report: all of the RTP stream's own ("outbound-rtp" or
 * "inbound-rtp"), its codec's name and, for a sender, the bandwidth that it believes to have.
 */
export function streamStats(report, type) {
  const stats = [...report.values()];
  const stream = stats.find((entry) => entry.type === type) ?? {};
  const pair = stats.find((entry) => entry.type === "candidate-pair" && entry.nominated);
  return {
    ...stream,
    mimeType: report.get(stream.codecId)?.mimeType,
    availableOutgoingBitrate: pair?.availableOutgoingBitrate,
  };
}
