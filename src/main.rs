//! The `tavolo` command.

// As in the library: whoever awaits a hub has to know the layout of its graph.
#![recursion_limit = "256"]

use clap::Parser;
use tavolo::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let code = match Cli::parse().run().await {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("tavolo: {error}");
            1
        }
    };
    // At once: a runtime that is taken down under the database driver's own tasks makes them panic.
    std::process::exit(code)
}
