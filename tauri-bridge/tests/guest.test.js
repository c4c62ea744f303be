import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'

globalThis.window = globalThis

const { clearMocks, mockIPC } = await import('@tauri-apps/api/mocks')
const { emit } = await import('@tauri-apps/api/event')
const sfu = await import('tauri-plugin-classroom-sfu-api')

let calls

beforeEach(() => {
  calls = []
  const answer = (command) => {
    calls.push(command)
    return { of: command }
  }
  mockIPC(answer, { shouldMockEvents: true })
})

afterEach(clearMocks)

for (const name of ['start', 'status', 'info']) {
  test(`${name} returns what the command of that name does`, async () => {
    const command = `plugin:classroom-sfu|${name}`
    assert.deepEqual(await sfu[name](), { of: command })
    assert.deepEqual(calls, [command])
  })
}

test('stop returns nothing', async () => {
  assert.equal(await sfu.stop(), undefined)
  assert.deepEqual(calls, ['plugin:classroom-sfu|stop'])
})

test('an error arrives with its code', async () => {
  const error = { code: 'port-taken', message: 'TCP port 3016 is taken', hint: 'Stop it.' }
  mockIPC(() => Promise.reject(error))
  await assert.rejects(sfu.start(), error)
})

test('a handler gets the payload until it is taken back', async () => {
  const heard = []
  const off = await sfu.on('peer-joined', (peer) => heard.push(peer.name))
  await emit('classroom-sfu://peer-joined', { name: 'Ann' })
  await emit('classroom-sfu://peer-left', { name: 'Bob' })
  await off()
  await emit('classroom-sfu://peer-joined', { name: 'Cid' })
  assert.deepEqual(heard, ['Ann'])
})
