//! Tidegate's harness: from scenario files to results.
//!
//! The modules are in the order in which data flows through them. The command
//! `tidegate` is a thin layer over this library ([`cli`], [`commands`]).

pub mod exit;

pub mod error;

pub mod scenario;

pub mod run;

pub mod results;

pub mod compare;

pub mod expect;

pub mod table;

pub mod gates;

pub mod report;

pub mod doctor;

pub mod export;

pub mod sweep;

pub mod cli;

pub mod commands;
