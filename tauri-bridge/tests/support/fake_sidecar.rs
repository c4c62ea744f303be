//! Behaves as its first argument says, and notes each launch in the file of the second.

use std::{
    env,
    fs::OpenOptions,
    io::{self, BufRead, Write},
    process::exit,
    thread::sleep,
    time::Duration,
};

const READY: &str = r#"{"event":"ready","protocol":1,"version":"9.9.9","pid":PID,"port":3016,"requestedPort":3016,"localUrl":"ws://127.0.0.1:3016","urls":[],"media":{"port":40000,"addresses":[]},"teacherToken":"token","startupMs":1}"#;
const FATAL: &str = r#"{"event":"fatal","code":"bad-setting","message":"--port must be a whole number","hint":"See --help","exitCode":2}"#;
const PEER: &str =
    r#"{"event":"peer-joined","roomId":"r","peerId":"p","name":"P","isTeacher":false}"#;
const STATUS: &str = r#"{"event":"status","id":ID,"uptimeMs":5,"totals":{"peers":1},"rooms":[{"id":"r"}],"process":{"cpuSeconds":0.1,"cpuPercent":1.0,"memoryBytes":null,"processes":1}}"#;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let behaviour = arguments[0].as_str();
    let launches = note_launch(&arguments[1]);
    match behaviour {
        "slow" => sleep(Duration::from_millis(300)),
        "mute" => sleep(Duration::from_secs(60)),
        "crash" => exit(7),
        "crash-once" if launches == 1 => exit(7),
        "fatal" => {
            say(FATAL);
            exit(2);
        }
        "garbage" => say_garbage(),
        "deaf" => {
            say_ready();
            sleep(Duration::from_secs(60));
        }
        "chatty" => (0..20_000).for_each(|_| say(PEER)),
        _ => {}
    }
    say_ready();
    say(PEER);
    obey();
}

fn note_launch(file: &str) -> usize {
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .unwrap();
    writeln!(log, "{}", std::process::id()).unwrap();
    std::fs::read_to_string(file).unwrap().lines().count()
}

fn obey() {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if line.contains("\"shutdown\"") {
            return say(r#"{"event":"stopped","reason":"shutdown"}"#);
        }
        if let Some((_, id)) = line.split_once("\"id\":") {
            say(&STATUS.replace("ID", id.trim_end_matches('}')));
        }
    }
}

fn say_garbage() {
    say("Traceback (most recent call last):");
    say("{\"event\":\"ready\"");
    io::stdout().write_all(b"\xff\xfe\n").unwrap();
    say(r#"{"event":"of tomorrow"}"#);
}

fn say_ready() {
    say(&READY.replace("PID", &std::process::id().to_string()));
}

fn say(line: &str) {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").unwrap();
    stdout.flush().unwrap();
}
