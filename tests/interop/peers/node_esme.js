// An ESME made with node-smpp that answers each text with one of its own, and binds again when its session has ended.
// usage: node node_esme.js PORT
const smpp = require('smpp');

function run() {
  const session = smpp.connect({ url: `smpp://127.0.0.1:${process.argv[2]}` });
  session.on('connect', () => session.bind_transceiver({ system_id: 'node', password: 'secret', interface_version: 0x34 },
    (answer) => { if (answer.command_status !== 0) session.close(); }));
  session.on('deliver_sm', (pdu) => {
    session.send(pdu.response());
    if (pdu.esm_class === 0) {
      session.submit_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, short_message: 'OK' });
    }
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('error', () => {});
  session.on('close', () => setTimeout(run, 500));
}
run();
