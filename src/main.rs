//! The `tavolo` command.

use std::process::ExitCode;

use clap::Parser;
use tavolo::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tavolo: {error}");
            ExitCode::FAILURE
        }
    }
}
