const WIDTH = 640;
const HEIGHT = 360;
const FRAMES_PER_SECOND = 20;

/** What a browser does to a microphone for a call would take the test's sounds for noise. */
const PLAIN_AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** The browser's fake camera. */
async function camera() {
  const video = { width: WIDTH, height: HEIGHT, frameRate: FRAMES_PER_SECOND };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  return stream.getVideoTracks()[0];
}

/** This tab, as a shared screen: it stands still, and hardly a frame is sent. */
async function screen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ preferCurrentTab: true });
  return stream.getVideoTracks()[0];
}

/** A picture of ever new coarse noise: the encoder takes all the bandwidth that it is given. */
function noise() {
  const grain = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
  const grainContext = grain.getContext("2d");
  const image = grainContext.createImageData(grain.width, grain.height);
  const pixels = new Uint32Array(image.data.buffer);
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  setInterval(() => {
    for (let i = 0; i < pixels.length; i++) pixels[i] = 0xff000000 | (Math.random() * 0xffffff);
    grainContext.putImageData(image, 0, 0);
    context.drawImage(grain, 0, 0, WIDTH / 2, HEIGHT / 2);
  }, 1000 / FRAMES_PER_SECOND);
  return canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0];
}

/** A stereo sound: a tone on the left, silence on the right. */
async function leftTone() {
  const context = new AudioContext();
  const merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
  const output = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(new GainNode(context, { gain: 0.5 })).connect(merger, 0, 0).connect(output);
  tone.start();
  await context.resume();
  return output.stream.getAudioTracks()[0];
}

/** The browser's fake microphone: a beep each second. */
async function microphone() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN_AUDIO });
  return stream.getAudioTracks()[0];
}

/** What makes a video track, by name. */
export const pictures = { camera, screen, noise };

/** What makes an audio track, by name. */
export const sounds = { leftTone, microphone };
