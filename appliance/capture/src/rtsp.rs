//! One RTSP session: from an address to access units. The only file that knows retina.
//!
//! What retina 0.4.21 does not give, and what is done about it:
//! * Its errors carry a status code and a text, no kind: the text's fixed parts are matched in [`fault_of`] and pinned by tests.
//! * After a damaged packet the session goes on, but a fragmented NAL unit that breaks off without a loss ends its stream of frames: a new session is opened at once.
//! * It forgets what it counted as lost with an access unit that it drops. Over UDP the relay counts ([`Ledger`]); over TCP its count stands.
//! * It sets no bound on the size of a message or of an access unit under way. Every wait here is bounded, and a session without a whole picture for
//!   [`crate::watch::SILENCE`] is given up, so a camera that floods us is held to what its link carries in that time.
//! * It has no TLS, and over UDP neither an order of packets nor a receive buffer of its own; a camera could make it send packets or open connections elsewhere. There the [`relay`](crate::relay)
//!   stands between it and the camera.
//! * It panics at some packets, and its reader of session descriptions at some of these. [`crate::run`] catches that, and a new session is opened.
//! * It strips parameter sets from samples. They are in [`TrackFormat::config`] bit for bit, and any change of them starts a new recording.

use crate::config::{SessionConfig, Transport};
use crate::failure::Failure;
use crate::networks::pinned;
use crate::relay::{Leaving, Ledger, Relay};
use crate::sink::PictureFormat;
use crate::track::Unit;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use futures::StreamExt;
use retina::client::{self, Demuxed, PlayOptions, SessionGroup, SetupOptions};
use retina::codec::{
    AudioFrame, CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParameters, VideoParametersCodec,
};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, CODEC_CONFIG_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_base::{GapReason, UtcNanos};
use watchbook_media::h26x::{Standard, check_access_unit};
use watchbook_media::{Codec, TrackFormat};

/// Longest wait for a connection and the answer to DESCRIBE, and for the answer to each later request.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for a camera that has been silent to take a connection.
const KNOCK: Duration = Duration::from_secs(1);
/// Longest wait for an old session's TEARDOWN before a new one is opened: cameras that allow one viewer refuse the second.
const TEARDOWN: Duration = Duration::from_secs(1);
/// Damaged packets in a row, without a picture between them, that end a session: several seconds of a 4 Mbit/s stream.
const DAMAGE_RUN_MAX: u32 = 2_000;
/// Interleaved channels as retina gives them out: two a stream, the pictures first, because they are set up first.
const VIDEO_CHANNEL: u8 = 0;
const AUDIO_CHANNEL: u8 = 2;

/// Format of the pictures: what the ring needs, and what the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VideoFormat {
    pub(crate) track: TrackFormat,
    pub(crate) shown: PictureFormat,
}

/// What a session yields.
pub(crate) enum Item {
    /// A whole picture. `format` is there with the first one and with each one that changes it. `lost`, here and below: packets (pictures, of a camera without RTP) that
    /// are missing since the last item of its kind that told of any; together they are all that were lost.
    Video { unit: Unit, format: Option<VideoFormat>, lost: u16 },
    /// Whole sound.
    Audio { unit: Unit, lost: u16 },
    /// A picture before any parameter set: nobody can decode it.
    NoParameters,
    /// A picture whose beginning was lost with so many packets was dropped.
    Incomplete { lost: u16 },
    /// A damaged or oversized access unit was dropped.
    Damaged(String),
    /// The camera's wall clock, from an RTCP sender report.
    CameraClock(UtcNanos),
    /// Nothing of interest. What was lost with it is told by the next item.
    Other,
}

/// A session that plays.
pub(crate) struct Session {
    demuxed: Demuxed,
    video: usize,
    standard: Standard,
    audio: Option<(usize, TrackFormat)>,
    /// Sound that the camera offers and that cannot be stored, as a sentence.
    audio_refused: Option<String>,
    relay: Option<Relay>,
    host_port: String,
    format_known: bool,
    damage_run: u32,
    last_damage: Option<String>,
    losses: Losses,
    /// Why it is over, while what was lost last is told.
    over: Option<Failure>,
}

/// Packets that were lost and have not been told of.
#[derive(Debug, Default)]
struct Losses {
    video: u64,
    audio: u64,
}

/// What an item tells of `waiting`; the rest waits on.
fn told(waiting: &mut u64) -> u16 {
    let told = u16::try_from(*waiting).unwrap_or(u16::MAX);
    *waiting -= u64::from(told);
    told
}

/// Sessions of one stream, so that an old one is taken down before a new one is opened.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    group: Arc<SessionGroup>,
    relays: Leaving,
}

impl Sessions {
    /// Waits a moment for the old sessions' TEARDOWN, retina's and the relay's.
    pub(crate) async fn settle(&self) {
        // Neither a late answer nor a refusal keeps us from trying: both are the server's to sort out.
        let over = async {
            let _ = self.group.await_teardown().await;
            self.relays.settle().await;
        };
        let _ = tokio::time::timeout(TEARDOWN, over).await;
    }
}

/// Connects and hangs up: whether anybody is there, asked of a camera that has been silent. A connection that the kernel keeps asking for at growing intervals would
/// find a camera that has come back seconds later.
///
/// # Errors
/// Nobody answers within [`KNOCK`].
pub(crate) async fn knock(config: &SessionConfig) -> Result<(), Failure> {
    let address = config.networks.pin(&config.source.url).await?;
    let host_port = config.source.url.host_port();
    match tokio::time::timeout(KNOCK, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        // Only a machine that is there refuses. These two are the kernel's own words for nobody, and come in turn with silence: one sentence for both, or each turn would be news.
        Ok(Err(error))
            if !matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) =>
        {
            Err(Failure::unreachable(&host_port, &error.to_string()))
        }
        Ok(Err(_)) | Err(_) => Err(Failure::no_answer(&host_port, "a connection", KNOCK.as_secs())),
    }
}

impl Session {
    /// DESCRIBE, SETUP of the video (and audio, when wanted and known), PLAY.
    ///
    /// # Errors
    /// The reason and sentences for it; bounded by eight times [`ANSWER`].
    pub(crate) async fn open(config: &SessionConfig, sessions: &Sessions) -> Result<Self, Failure> {
        match Self::open_with(config, sessions, config.audio).await {
            Ok(session) => Ok(session),
            Err(Trouble::Session(failure)) => Err(failure),
            Err(Trouble::Sound(why)) => {
                // What was set up of it may come all the same and be taken for pictures: a session without sound is a new one.
                sessions.settle().await;
                let opened = Self::open_with(config, sessions, false).await.map_err(Trouble::failure)?;
                Ok(Self { audio_refused: Some(why), ..opened })
            }
        }
    }

    async fn open_with(config: &SessionConfig, sessions: &Sessions, audio: bool) -> Result<Self, Trouble> {
        let address = config.networks.pin(&config.source.url).await?;
        let relayed = config.source.url.is_encrypted() || config.source.transport == Transport::Udp;
        let way = Way { config, sessions, address, audio };
        if !relayed {
            let described = way.describe(None).await?;
            if !described.tool().is_some_and(client::Tool::has_live555_tcp_bug) {
                return way.play(described, None).await;
            }
            // Of such a server retina opens further connections to end a session, and to wherever the server says.
        }
        let relay = Relay::open(config, address, &sessions.relays).await?;
        let opened = match way.describe(Some(&relay)).await {
            Ok(described) => way.play(described, Some(&relay)).await,
            Err(failure) => Err(failure.into()),
        };
        match (opened, relay.failure()) {
            (Ok(session), _) => Ok(Self { relay: Some(relay), ..session }),
            (Err(_), Some(failure)) => Err(failure.into()),
            (Err(trouble), None) => Err(trouble),
        }
    }

    /// Format of the pictures as the session description gives it; often, not always, there before the first one.
    pub(crate) fn described_format(&self) -> Option<VideoFormat> {
        self.format().and_then(Result::ok)
    }

    /// Why the sound that the camera offers is not recorded, when it was asked for.
    pub(crate) fn audio_refused(&self) -> Option<&str> {
        self.audio_refused.as_deref()
    }

    /// Packets whose loss no item has told of: of access units that never became whole. To be asked once, when the session is given up.
    pub(crate) fn untold(&mut self) -> u64 {
        let Losses { video, audio } = core::mem::take(&mut self.losses);
        video + audio + self.ledger().map_or(0, Ledger::take_rest)
    }

    /// `failure` with what the relay knows about it; `lost` packets did not arrive.
    pub(crate) fn advise(&self, failure: Failure, lost: u64) -> Failure {
        if failure.reason == GapReason::CameraSilent && lost > 0 {
            return Failure {
                reason: GapReason::PacketLoss,
                detail: format!(
                    "No picture of the camera at {} came whole: {lost} packets were lost on the way.",
                    self.host_port
                ),
                next_step: "Set the camera's transport to TCP, or look for what loses packets between it and here."
                    .to_owned(),
                ..failure
            };
        }
        let strangers = self.relay.as_ref().map_or(0, Relay::strangers);
        if failure.reason != GapReason::CameraSilent || strangers == 0 {
            return failure;
        }
        Failure {
            detail: format!(
                "{} Over UDP, {strangers} packets came from another port or address than the one that it had named.",
                failure.detail
            ),
            next_step: "Set the camera's transport to TCP: it does not send from where it says, or somebody else does."
                .to_owned(),
            ..failure
        }
    }

    /// Format of the sound, when there is sound.
    pub(crate) fn audio_format(&self) -> Option<&TrackFormat> {
        self.audio.as_ref().map(|(_, format)| format)
    }

    /// The next item. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) async fn next(&mut self) -> Result<Item, Failure> {
        if let Some(failure) = self.over.take() {
            return self.end(failure);
        }
        let next = self.demuxed.next().await;
        self.item(next).or_else(|failure| {
            let failure = self.relay.as_ref().and_then(Relay::failure).unwrap_or(failure);
            self.end(failure)
        })
    }

    /// The end of the session, once what was lost last is told.
    fn end(&mut self, failure: Failure) -> Result<Item, Failure> {
        self.losses.video += self.ledger().map_or(0, Ledger::take_rest) + core::mem::take(&mut self.losses.audio);
        match told(&mut self.losses.video) {
            0 => Err(failure),
            lost => {
                self.over = Some(failure);
                Ok(Item::Incomplete { lost })
            }
        }
    }

    fn ledger(&self) -> Option<&Ledger> {
        self.relay.as_ref().and_then(Relay::ledger)
    }

    fn item(&mut self, next: Option<Result<CodecItem, retina::Error>>) -> Result<Item, Failure> {
        match next {
            Some(Ok(CodecItem::VideoFrame(frame))) => self.video(frame),
            Some(Ok(CodecItem::AudioFrame(frame))) => Ok(self.audio(&frame)),
            Some(Ok(CodecItem::Rtcp(compound))) => Ok(camera_clock(&compound).map_or(Item::Other, Item::CameraClock)),
            Some(Ok(_)) => Ok(Item::Other),
            Some(Err(error)) => self.damaged(&error),
            None => match self.last_damage.take() {
                Some(what) => Err(self.broken(&what).at_once()),
                None => Err(Failure::closed(&self.host_port, "")),
            },
        }
    }

    fn video(&mut self, frame: VideoFrame) -> Result<Item, Failure> {
        (self.damage_run, self.last_damage) = (0, None);
        let (timestamp, cut) = (frame.timestamp(), frame.loss() > 0);
        let (rtp, rate_hz) = (timestamp.timestamp(), timestamp.clock_rate().get());
        self.losses.video += self.lost(VIDEO_CHANNEL, rtp, frame.loss());
        let format = if self.format_known && !frame.has_new_parameters() {
            None
        } else {
            let Some(format) = self.format() else { return Ok(Item::NoParameters) };
            self.format_known = true;
            Some(format?)
        };
        let data = frame.into_data();
        if cut && !begins(self.standard, &data) {
            self.format_known &= format.is_none();
            return Ok(Item::Incomplete { lost: told(&mut self.losses.video) });
        }
        // Not retina's word for it: it takes only IDR pictures for key frames, not the CRA and BLA pictures of H.265.
        match check_access_unit(self.standard, &data) {
            Ok(checked) => {
                let unit = Unit { rtp, rate_hz, key: checked.key, data: Bytes::from(data) };
                Ok(Item::Video { unit, format, lost: told(&mut self.losses.video) })
            }
            Err(error) => {
                // A format that came with it must not be forgotten.
                self.format_known &= format.is_none();
                Ok(Item::Damaged(error.message))
            }
        }
    }

    /// Packets that were lost up to the access unit at `rtp`: over UDP as the relay counts them, else as retina does (`loss`).
    fn lost(&self, channel: u8, rtp: i64, loss: u16) -> u64 {
        // RTP's 32 bits; retina adds the wraps.
        let time = u32::try_from(rtp & 0xFFFF_FFFF).unwrap_or(0);
        match self.ledger() {
            // What is not known under this time was told with the unit before it, or is told with the next one.
            Some(ledger) => ledger.take_until(channel, time).unwrap_or(0),
            None => u64::from(loss),
        }
    }

    fn audio(&mut self, frame: &AudioFrame) -> Item {
        let (rtp, rate_hz) = (frame.timestamp().timestamp(), frame.timestamp().clock_rate().get());
        self.losses.audio += self.lost(AUDIO_CHANNEL, rtp, frame.loss());
        let data = frame.data();
        if data.is_empty() || data.len() > ACCESS_UNIT_BYTES_MAX {
            return Item::Other;
        }
        let unit = Unit { rtp, rate_hz, key: true, data: Bytes::copy_from_slice(data) };
        Item::Audio { unit, lost: told(&mut self.losses.audio) }
    }

    fn damaged(&mut self, error: &retina::Error) -> Result<Item, Failure> {
        let text = error.to_string();
        match packet_fault(&text) {
            None => Err(fault_of(error, &self.host_port, true)),
            Some(PacketFault::Renumbered) => {
                let detail =
                    format!("The camera at {} started its numbering of packets anew in mid-stream.", self.host_port);
                Err(Failure::unusable(detail, "Nothing: a new session is opened at once.").at_once())
            }
            Some(PacketFault::Damaged) => {
                let what = text.lines().next().unwrap_or_default().to_owned();
                self.damage_run += 1;
                if self.damage_run > DAMAGE_RUN_MAX {
                    return Err(self.broken(&what));
                }
                self.last_damage = Some(what.clone());
                Ok(Item::Damaged(what))
            }
        }
    }

    /// Why the pictures cannot be read.
    fn broken(&self, what: &str) -> Failure {
        Failure::unusable(
            format!("The video of the camera at {} is damaged: {what}.", self.host_port),
            "Check the network for loss, switch the transport to TCP, or restart the camera.",
        )
    }

    /// `None` as long as there are no parameter sets.
    fn format(&self) -> Option<Result<VideoFormat, Failure>> {
        match self.demuxed.streams().get(self.video)?.parameters()? {
            ParametersRef::Video(parameters) => Some(video_format(parameters, &self.host_port)),
            _ => None,
        }
    }
}

/// Whether a picture has its first slice. retina drops one that lost packets in its middle or at its end, and hands on one that lost its first ones.
fn begins(standard: Standard, data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((nal, tail)) = tail.split_at_checked(length) else { return false };
        rest = tail;
        // first_mb_in_slice is 0 when its ue(v) is the single bit 1 (ITU-T H.264 7.3.3); first_slice_segment_in_pic_flag is the first bit (H.265 7.3.6.1).
        let first_bits = match (standard, nal) {
            (Standard::H264, [header, first, ..]) if matches!(header & 0x1F, 1..=5) => first,
            (Standard::H265, [header, _, first, ..]) if header >> 1 & 0x3F < 32 => first,
            _ => continue,
        };
        return first_bits & 0x80 != 0;
    }
    false
}

/// One way to a camera: its address that was judged.
struct Way<'a> {
    config: &'a SessionConfig,
    sessions: &'a Sessions,
    address: SocketAddr,
    audio: bool,
}

/// Why a session cannot be opened.
enum Trouble {
    Session(Failure),
    /// Only its sound is in the way, for this reason.
    Sound(String),
}

impl Trouble {
    fn failure(self) -> Failure {
        match self {
            Self::Session(failure) => failure,
            Self::Sound(why) => Failure::unusable(why, "Switch the recording of its sound off."),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Session(failure)
    }
}

impl Way<'_> {
    fn fault(&self, error: &retina::Error) -> Failure {
        fault_of(error, &self.config.source.url.host_port(), self.config.credentials.is_some())
    }

    async fn describe(&self, relay: Option<&Relay>) -> Result<client::Session<client::Described>, Failure> {
        let options = client::SessionOptions::default()
            .user_agent("Watchbook".to_owned())
            .session_group(Arc::clone(&self.sessions.group))
            .unassigned_channel_data(client::UnassignedChannelDataPolicy::Ignore)
            .session_id(client::SessionIdPolicy::UseFirst);
        let (url, options) = match relay {
            Some(relay) => (relay.url(), options),
            None => {
                let credentials = self.config.credentials.clone();
                let credentials =
                    credentials.map(|c| client::Credentials { username: c.username, password: c.password });
                (pinned(&self.config.source.url, self.address.ip()), options.creds(credentials))
            }
        };
        let described = client::Session::describe(url, options);
        let host_port = self.config.source.url.host_port();
        in_time(described, &host_port, "a request for its streams (DESCRIBE)")
            .await?
            .map_err(|error| self.fault(&error))
    }

    async fn play(
        &self,
        mut session: client::Session<client::Described>,
        relay: Option<&Relay>,
    ) -> Result<Session, Trouble> {
        let host_port = self.config.source.url.host_port();
        let fault = |error: retina::Error| match relay.and_then(Relay::failure) {
            Some(failure) => failure,
            None => self.fault(&error),
        };
        let (video, standard) = pick_video(session.streams(), &host_port)?;
        let setup = session.setup(video, setup_options());
        in_time(setup, &host_port, "the set-up of its video (SETUP)").await?.map_err(fault)?;
        let (audio, audio_refused) = match self.audio {
            true => pick_audio(session.streams(), &host_port),
            false => (None, None),
        };
        if let Some((index, _)) = audio {
            let setup = session.setup(index, setup_options());
            if let Err(error) = in_time(setup, &host_port, "the set-up of its sound (SETUP)").await? {
                tracing::warn!(camera = %host_port, error = %first_line(&error), "the sound cannot be set up; recording pictures only");
                return Err(Trouble::Sound(format!(
                    "The sound of the camera at {host_port} cannot be set up beside its pictures; only they are recorded."
                )));
            }
        }
        // Both policies "ignore": many cameras fill RTP-Info with values that have nothing to do with the packets that follow.
        let play = PlayOptions::default()
            .initial_timestamp(client::InitialTimestampPolicy::Ignore)
            .initial_seq(client::InitialSequenceNumberPolicy::Ignore);
        let playing =
            in_time(session.play(play), &host_port, "the start of its stream (PLAY)").await?.map_err(fault)?;
        let demuxed = playing.demuxed().map_err(fault)?;
        Ok(Session {
            demuxed,
            video,
            standard,
            audio,
            audio_refused,
            relay: None,
            host_port,
            format_known: false,
            damage_run: 0,
            last_damage: None,
            losses: Losses::default(),
            over: None,
        })
    }
}

/// The session opens in `what` within [`ANSWER`], or fails.
async fn in_time<T>(step: impl Future<Output = T>, host_port: &str, what: &str) -> Result<T, Failure> {
    tokio::time::timeout(ANSWER, step).await.map_err(|_| Failure::no_answer(host_port, what, ANSWER.as_secs()))
}

/// Interleaved in every case: over UDP the relay takes the packets.
fn setup_options() -> SetupOptions {
    let transport = client::Transport::Tcp(client::TcpTransportOptions::default());
    SetupOptions::default().transport(transport).frame_format(FrameFormat::MP4)
}

/// The first video stream in a codec that is stored.
fn pick_video(streams: &[client::Stream], host_port: &str) -> Result<(usize, Standard), Failure> {
    let mut others = Vec::new();
    for (index, stream) in streams.iter().enumerate().filter(|(_, stream)| stream.media() == "video") {
        match stream.encoding_name() {
            "h264" => return Ok((index, Standard::H264)),
            "h265" => return Ok((index, Standard::H265)),
            other => others.push(other.chars().take(32).collect::<String>().to_uppercase()),
        }
    }
    Err(if others.is_empty() {
        Failure::unusable(
            format!("The camera at {host_port} offers no video at this address."),
            "Enter the address of a video stream; the camera's manual or its own page names it.",
        )
    } else {
        Failure::unusable(
            format!("The camera at {host_port} sends {} video, which cannot be stored.", others.join(" and ")),
            "Set the camera's video to H.264 or H.265.",
        )
    })
}

/// The first audio stream in a format that is stored and known from the session description; else why none is.
fn pick_audio(streams: &[client::Stream], host_port: &str) -> (Option<(usize, TrackFormat)>, Option<String>) {
    let mut others = Vec::new();
    for (index, stream) in streams.iter().enumerate().filter(|(_, stream)| stream.media() == "audio") {
        match audio_format(stream) {
            Some(format) => return (Some((index, format)), None),
            None => others.push(stream.encoding_name().chars().take(32).collect::<String>().to_uppercase()),
        }
    }
    let refused = (!others.is_empty()).then(|| {
        format!(
            "The sound of the camera at {host_port} is {}, which cannot be stored: set it to AAC or G.711 on the camera.",
            others.join(" and ")
        )
    });
    (None, refused)
}

/// G.726 is not among them: two orders of its bits in a byte are in use (RFC 3551 §4.5.4, and that of ITU-T I.366.2 annex E, which is named AAL2-G726), cameras name one and
/// send the other, and nothing in the bytes tells which; what would be stored could not be said honestly.
fn audio_format(stream: &client::Stream) -> Option<TrackFormat> {
    let Some(ParametersRef::Audio(parameters)) = stream.parameters() else { return None };
    let (sample_rate_hz, channels) = (parameters.clock_rate(), parameters.channels().get());
    let (codec, config) = match stream.encoding_name() {
        "mpeg4-generic" => (Codec::Aac { sample_rate_hz, channels }, Bytes::copy_from_slice(parameters.extra_data())),
        "pcmu" => (Codec::Pcmu { sample_rate_hz, channels }, Bytes::new()),
        "pcma" => (Codec::Pcma { sample_rate_hz, channels }, Bytes::new()),
        _ => return None,
    };
    (config.len() <= CODEC_CONFIG_BYTES_MAX).then_some(TrackFormat { codec, config })
}

fn video_format(parameters: &VideoParameters, host_port: &str) -> Result<VideoFormat, Failure> {
    let (width, height) = parameters.pixel_dimensions();
    let config = parameters.extra_data();
    let sides_fit = [width, height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side));
    if !sides_fit || config.len() > CODEC_CONFIG_BYTES_MAX {
        return Err(Failure::unusable(
            format!("The camera at {host_port} sends pictures of {width}×{height}, which cannot be stored."),
            format!("Set the camera to at most {PICTURE_SIDE_PX_MAX} pixels a side."),
        ));
    }
    let codec = match parameters.codec_params() {
        VideoParametersCodec::H264 { .. } => Codec::H264 { width, height },
        VideoParametersCodec::H265 { .. } => Codec::H265 { width, height },
        _ => {
            return Err(Failure::unusable(
                format!("The camera at {host_port} sends an unknown kind of video."),
                "Set the camera's video to H.264 or H.265.",
            ));
        }
    };
    let shown = PictureFormat { codec_string: parameters.rfc6381_codec().to_owned(), width, height };
    Ok(VideoFormat { track: TrackFormat { codec, config: Bytes::copy_from_slice(config) }, shown })
}

/// Wall clock of the first sender report (RFC 3550 §6.4.1). A zero NTP time means that the camera has no idea.
fn camera_clock(compound: &retina::rtcp::ReceivedCompoundPacket) -> Option<UtcNanos> {
    let report = compound.pkts().find_map(|packet| packet.as_sender_report().ok().flatten())?;
    let ntp = report.ntp_timestamp().0;
    if ntp == 0 {
        return None;
    }
    // NTP seconds wrap in 2036: what lies before 1970 in this era is after 2036 in the next.
    let since_1970 = ntp.wrapping_sub(retina::UNIX_EPOCH.0);
    let (seconds, fraction) = (i64::try_from(since_1970 >> 32).ok()?, since_1970 & 0xFFFF_FFFF);
    let nanos = i64::try_from((u128::from(fraction) * 1_000_000_000) >> 32).ok()?;
    Some(UtcNanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}

/// What a fault that concerns one packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PacketFault {
    /// The access unit is lost; the session goes on.
    Damaged,
    /// Another SSRC, or sequence numbers that went back: every further packet would be refused.
    Renumbered,
}

/// `None` when the text is that of a fault of the connection. The texts are those of retina 0.4.21.
fn packet_fault(text: &str) -> Option<PacketFault> {
    let of_packet = text.contains("\nstream: ") && text.contains("\npkt: ");
    of_packet.then(|| {
        if text.starts_with("wrong ssrc") || text.starts_with("Out-of-order packet") {
            PacketFault::Renumbered
        } else {
            PacketFault::Damaged
        }
    })
}

/// The failure that fits an error of retina.
fn fault_of(error: &retina::Error, host_port: &str, tried_password: bool) -> Failure {
    let line = first_line(error);
    if let Some(status) = error.status_code() {
        // 2xx: the answer came, but what it says makes no sense.
        return if (200..300).contains(&status) {
            let what = line.split_once(": ").map_or(line.as_str(), |(_, what)| what);
            Failure::new(
                GapReason::StreamUnusable,
                format!("The camera at {host_port} answers with what cannot be understood: {what}."),
                "Check the address with another RTSP player, and the camera's firmware.",
            )
        } else {
            Failure::status(host_port, status, tried_password)
        };
    }
    if let Some(why) = line.strip_prefix("Unable to connect to RTSP server: ") {
        return Failure::unreachable(host_port, why);
    }
    if line.starts_with("RTSP framing error: ") {
        return Failure::unusable(
            format!("What answers at {host_port} does not speak RTSP."),
            "Check the port: the camera's own page is often on 80, its RTSP service on 554.",
        );
    }
    let why = line.rsplit_once("peer: ").map_or(line.as_str(), |(_, why)| why);
    Failure::closed(host_port, why)
}

/// First line of an error's text: the rest is for a packet capture. Bounded, because it may quote the camera.
fn first_line(error: &retina::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().chars().take(200).collect()
}

/// What must hold for any bytes of a session; in `tests/fuzz` by libFuzzer, too.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_its_first_slice_is_told() {
        let sample = |nals: &[&[u8]]| -> Vec<u8> {
            nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
        };
        // H.264: first_mb_in_slice is ue(v), 1 for 0 and 010 for 1. H.265: one flag behind the header of two bytes.
        let (sei, first, second) = (&[0x06, 5, 0x80][..], &[0x65, 0x88][..], &[0x65, 0x40][..]);
        assert!(begins(Standard::H264, &sample(&[first])) && begins(Standard::H264, &sample(&[sei, first, second])));
        assert!(!begins(Standard::H264, &sample(&[second])) && !begins(Standard::H264, &sample(&[sei, second])));
        let (prefix, first, second) = (&[0x4E, 1, 0x80][..], &[0x26, 1, 0xAC][..], &[0x26, 1, 0x20][..]);
        assert!(begins(Standard::H265, &sample(&[prefix, first, second])));
        assert!(!begins(Standard::H265, &sample(&[prefix, second])));
        assert!(!begins(Standard::H264, &[]) && !begins(Standard::H264, &[0, 0, 0, 9, 0x65]));
    }

    #[test]
    fn packet_faults_are_told_from_faults_of_the_connection() {
        let tail = "\n\nconn: 10.0.0.1:1(me)->10.0.0.2:554@now\nstream: TCP, interleaved channel ids 0-1\nssrc: 1\nseq: 2\npkt: 3@now";
        assert_eq!(packet_fault(&format!("FU-A len 1 too short{tail}")), Some(PacketFault::Damaged));
        assert_eq!(packet_fault(&format!("wrong ssrc after 3 RTP pkts{tail}")), Some(PacketFault::Renumbered));
        assert_eq!(
            packet_fault(&format!("Out-of-order packet or large loss; expecting{tail}")),
            Some(PacketFault::Renumbered)
        );
        assert_eq!(packet_fault("Error reading from RTSP peer: reset\n\nconn: a\nmsg: b"), None);
    }
}
