//! Every command but `serve`, one file each.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod attach;
pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod docker_proxy;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod mock_model;
pub(crate) mod plan;
pub(crate) mod project;
pub(crate) mod retention;
pub(crate) mod review;
pub(crate) mod run;
mod scope;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod task;
pub(crate) mod token;
