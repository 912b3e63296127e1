//! The `tavolo` command.

// The limit is that of `resolvers`: code that awaits a hub computes the layout of its graph.
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
    // The process exits without dropping the runtime: the driver's own tasks would panic.
    std::process::exit(code)
}
