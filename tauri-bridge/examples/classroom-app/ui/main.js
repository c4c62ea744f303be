// An app with a bundler imports `tauri-plugin-classroom-sfu-api` instead of these two.
const { invoke } = window.__TAURI__.core
const { listen } = window.__TAURI__.event

const element = (id) => document.getElementById(id)
const peers = new Map()

function showState(text) {
  element('state').textContent = text
  element('warning').textContent = ''
}

function showList(id, texts) {
  const items = texts.map((text) => {
    const item = document.createElement('li')
    item.textContent = text
    return item
  })
  element(id).replaceChildren(...items)
}

function showPeers() {
  const teacher = (peer) => (peer.isTeacher ? ' (teacher)' : '')
  showList('peers', [...peers.values()].map((peer) => peer.name + teacher(peer)))
}

function showReady(ready) {
  showState(`Ready on this computer at ${ready.localUrl}`)
  showUrls(ready)
  element('join').hidden = false
}

function showUrls({ urls }) {
  showList('urls', urls.length ? urls : ['This computer is in no network'])
}

function showGone(text) {
  showState(text)
  element('join').hidden = true
  peers.clear()
  showPeers()
}

function showError(error) {
  showGone(`${error.message}. ${error.hint}`)
}

async function restart() {
  element('restart').disabled = true
  try {
    await invoke('plugin:classroom-sfu|stop')
    await invoke('plugin:classroom-sfu|start')
  } catch (error) {
    showError(error)
  } finally {
    element('restart').disabled = false
  }
}

/** The window may have opened later than the SFU became ready, and others than it. */
async function catchUp() {
  const { state, ready, error } = await invoke('plugin:classroom-sfu|info')
  if (error) return showError(error)
  if (!ready) return showGone(`The classroom is ${state}`)
  showReady(ready)
  const { rooms } = await invoke('plugin:classroom-sfu|status')
  for (const room of rooms) {
    for (const peer of room.peers) peers.set(peer.id, peer)
  }
  showPeers()
}

const handlers = {
  ready: showReady,
  addresses: showUrls,
  exited: () => showGone('The classroom is closed'),
  restarting: ({ attempt, limit }) => showGone(`The classroom comes back (${attempt} of ${limit})`),
  fatal: showError,
  warning: ({ message }) => (element('warning').textContent = message),
  'peer-joined': (peer) => {
    peers.set(peer.peerId, peer)
    showPeers()
  },
  'peer-left': (peer) => {
    peers.delete(peer.peerId)
    showPeers()
  },
}

for (const [name, handler] of Object.entries(handlers)) {
  await listen(`classroom-sfu://${name}`, (event) => handler(event.payload))
}
element('restart').addEventListener('click', restart)
await catchUp()
