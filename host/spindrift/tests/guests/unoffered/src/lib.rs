//! Calls interfaces that Spin offers and this host does not, one for each path, and answers with the error that it is given.

/// Interfaces that today's SDK does not use: those of Spin 2, of Spin 1, and of WASI before 0.2.0. They have as much of each as
/// is called here.
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package test:unoffered;

            world imports {
                import fermyon:spin/sqlite@2.0.0;
                import fermyon:spin/redis;
                import wasi:clocks/monotonic-clock@0.2.0-rc-2023-10-18;
            }

            package fermyon:spin@2.0.0 {
                interface sqlite {
                    variant error {
                        no-such-database,
                        access-denied,
                        invalid-connection,
                        database-full,
                        io(string),
                    }
                    resource connection {
                        open: static func(database: string) -> result<connection, error>;
                    }
                }
            }

            package fermyon:spin {
                interface redis {
                    enum error { success, error }
                    incr: func(address: string, key: string) -> result<s64, error>;
                }
            }

            package wasi:clocks@0.2.0-rc-2023-10-18 {
                interface monotonic-clock {
                    now: func() -> u64;
                }
            }
        ",
        generate_all,
        runtime_path: "spin_sdk::wit_bindgen::rt",
    });
}

use std::fmt::Debug;

use bindings::fermyon::{spin as spin1, spin2_0_0 as spin2};
use bindings::wasi::clocks::monotonic_clock;
use guest_request::{Target, json};
use guest_response03::whole;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::llm::{EmbeddingModel, InferencingModel};
use spin_sdk::{http_service, llm, mqtt, mysql, redis, sqlite};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let target = Target::parse(
        request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str()),
    );
    let answer = match target.operation() {
        "nothing" => json::ok("null"),
        "llm" => outcome(llm::infer(InferencingModel::Llama2Chat, "Hello?")),
        "embeddings" => {
            let text = ["Hello?".to_owned()];
            outcome(llm::generate_embeddings(
                EmbeddingModel::AllMiniLmL6V2,
                &text,
            ))
        }
        "sqlite" => outcome(sqlite::Connection::open_default().await),
        "sqlite2" => outcome(spin2::sqlite::Connection::open("default")),
        "redis" => outcome(redis::Connection::open("redis://localhost").await),
        "mysql" => outcome(mysql::Connection::open("mysql://localhost").await),
        "mqtt" => {
            let address = "mqtt://localhost?client_id=test";
            outcome(mqtt::Connection::open(address, "", "", 30).await)
        }
        // Neither has a place for words.
        "redis1" => outcome(spin1::redis::incr("redis://localhost", "key")),
        "clock" => json::ok(monotonic_clock::now().to_string()),
        _ => return whole(404, json::error("unknown operation")),
    };
    whole(200, answer)
}

fn outcome<T, E: Debug>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => json::ok("true"),
        Err(error) => json::error(format!("{error:?}")),
    }
}
